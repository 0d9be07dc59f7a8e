"""Style sheet of the HTML report."""

STYLE = """
:root{--ink:#1c2733;--soft:#5c6b7a;--line:#dfe5ea;--accent:#1f6f8b}
*{box-sizing:border-box}
body{margin:0;background:#eef1f4;color:var(--ink);font:14px/1.45 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1040px;margin:0 auto;background:#fff;padding:28px 36px}
header{display:flex;justify-content:space-between;align-items:flex-start;gap:20px}
h1{font-size:22px;margin:0;color:var(--accent)}
h2{font-size:17px;margin:24px 0 8px;border-bottom:2px solid var(--accent);padding-bottom:3px;break-after:avoid}
.badge{margin:0;max-width:360px;font-size:12px;border:1px solid #c8553d;color:#a23c27;padding:4px 8px;border-radius:4px}
dl{display:grid;grid-template-columns:repeat(4,1fr);gap:8px 18px;margin:12px 0;padding:12px 0;border:solid var(--line);
border-width:1px 0}
dt{font-size:11px;color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
p{margin:6px 0}p.preliminary{color:#9a3b1e;font-weight:600;margin:12px 0 0}
p.signed{color:#20603a;font-weight:600;margin:12px 0 0}
p.result,p.refused{font-size:17px;font-weight:600;background:#eaf3f6;border-left:5px solid var(--accent);
padding:10px 14px;margin:14px 0}
p.refused{background:#f9e4de;border-color:#b3321b}
p.caveat{font-size:12.5px;background:#fdf3e1;border-left:5px solid #e0a83b;padding:8px 14px;margin:14px 0}
p.fine{font-size:11.5px;color:var(--soft);margin:3px 0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;margin:6px 0 10px;table-layout:fixed}
th{text-align:left;font-size:11.5px;color:var(--soft);border-bottom:1px solid var(--ink);padding:4px 8px 4px 0}
td{border-bottom:1px solid var(--line);padding:4px 8px 4px 0;vertical-align:top;overflow-wrap:anywhere}
tr{break-inside:avoid}
.dense{font-size:12px}
tr.pass td:first-child,tr.warn td:first-child,tr.refuse td:first-child{font-weight:600}
tr.pass td:first-child{color:#3d7d4c}tr.warn td:first-child{color:#9a6708}tr.refuse td:first-child{color:#b3321b}
.grid{display:grid;grid-template-columns:repeat(var(--n),1fr);gap:10px 12px;margin:8px 0}
figure{margin:0;break-inside:avoid}figcaption{font-size:11.5px;color:var(--soft);margin-top:2px}
.grid img{width:100%;display:block;border-radius:3px}
svg{width:100%;height:auto;font-family:system-ui,"DejaVu Sans",sans-serif}
.history{table-layout:auto}
footer{margin-top:28px;border-top:1px solid var(--line);padding-top:8px;font-size:11.5px;color:var(--soft)}
@media (max-width:700px){main{padding:16px}dl{grid-template-columns:1fr 1fr}.grid{grid-template-columns:repeat(2,1fr)}}
@media print{body{background:#fff}main{padding:0;max-width:none}.page{break-before:page}}
"""
