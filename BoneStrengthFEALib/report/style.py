"""Style sheet of the HTML report."""

STYLE = """
:root{--ink:#1c2733;--soft:#5c6b7a;--line:#dfe5ea;--accent:#1f6f8b}
*{box-sizing:border-box}
body{margin:0;background:#eef1f4;color:var(--ink);font:14px/1.45 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1040px;margin:0 auto;background:#fff;padding:28px 36px}
h1{font-size:22px;margin:0}h2{font-size:17px;margin:26px 0 8px;border-bottom:2px solid var(--accent);padding-bottom:3px}
h3{font-size:13px;margin:16px 0 4px;color:var(--soft)}
.title{display:flex;justify-content:space-between;align-items:flex-start;gap:20px}
.badge{margin:0;max-width:360px;font-size:12px;border:1px solid #c8553d;color:#a23c27;padding:4px 8px;border-radius:4px}
dl{display:grid;grid-template-columns:repeat(4,1fr);gap:8px 18px;margin:16px 0;padding:12px 0;border:solid var(--line);
border-width:1px 0}
dt{font-size:11px;color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.headline{font-size:17px;font-weight:600;background:#eaf3f6;border-left:5px solid var(--accent);padding:10px 14px;
margin:14px 0}
.caveat{font-size:12.5px;background:#fdf3e1;border-left:5px solid #e0a83b;padding:8px 14px}
table{border-collapse:collapse;width:100%;margin:6px 0 10px}
th{text-align:left;font-size:11.5px;color:var(--soft);border-bottom:1px solid var(--ink);padding:4px 8px 4px 0}
td{border-bottom:1px solid var(--line);padding:4px 8px 4px 0;vertical-align:top;overflow-wrap:anywhere}
.measures td:nth-child(2),.measures td:nth-child(3){white-space:nowrap}.measures td:first-child{width:34%}
.checks{font-size:12px}.checks td:first-child{font-weight:600;width:52px}
tr.pass td:first-child{color:#3d7d4c}tr.warn td:first-child{color:#b07a12}tr.refuse td:first-child{color:#b3321b}
.bars{display:grid;grid-template-columns:1fr 1fr;gap:10px 30px;margin-top:8px}
figure{margin:0}figcaption{font-size:11.5px;color:var(--soft);margin-top:2px}
svg{width:100%;height:auto;font:11px system-ui,"DejaVu Sans",sans-serif;fill:var(--ink)}
.pictures{display:grid;grid-template-columns:repeat(5,1fr);gap:8px;margin:8px 0}
.pictures img{width:100%;display:block;border-radius:3px}
.histograms{display:grid;grid-template-columns:repeat(5,1fr);gap:10px}
.split{display:grid;grid-template-columns:1fr 1fr;gap:24px}
.notes,.fine{font-size:11.5px;color:var(--soft)}
.provenance td{font-size:11px;font-family:ui-monospace,"DejaVu Sans Mono",monospace}
footer{margin-top:28px;border-top:1px solid var(--line);padding-top:8px;font-size:11.5px;color:var(--soft)}
@media print{body{background:#fff}main{padding:0}section{break-inside:avoid}}
"""
