"""The table of bones: which segments are analysed, and what each of them is."""

import qt
from slicer.i18n import tr as _

SITES = ("", "vertebra", "femur", "radius", "tibia")
SIDES = ("", "left", "right")
COLUMNS = 4


class BoneTable:
    """Rows of check box, site, level and side in a QTableWidget; cell widgets belong to the table."""

    def __init__(self, table, changed):
        self._table = table
        self._changed = changed
        self._rows = {}
        table.columnCount = COLUMNS
        table.setHorizontalHeaderLabels([_("Segment"), _("Site"), _("Level"), _("Side")])
        table.horizontalHeader().setStretchLastSection(True)
        table.verticalHeader().visible = False

    def fill(self, rows):
        """Show rows of (name, use, site, level, side)."""
        self._rows = {}
        self._table.setRowCount(0)
        self._table.setRowCount(len(rows))
        for number, (name, use, site, level, side) in enumerate(rows):
            box = qt.QCheckBox(name)
            box.checked = use
            box.toolTip = _("Analyse this segment")
            siteBox = self._combo(SITES, site, _("Skeletal site; recognised from the segment's name"))
            levelBox = self._combo(_levels(), level, _("Vertebral level, T1 to L6"))
            sideBox = self._combo(SIDES, side, _("Side of a paired bone"))
            widgets = (box, siteBox, levelBox, sideBox)
            for column, widget in enumerate(widgets):
                self._table.setCellWidget(number, column, widget)
            box.connect("toggled(bool)", self._changed)
            for combo in widgets[1:]:
                combo.connect("currentIndexChanged(int)", self._changed)
            self._rows[name] = widgets
        self._table.resizeColumnsToContents()

    def rows(self):
        """Name to [use, site, level, side]."""
        return {
            name: [box.checked, site.currentText, level.currentText, side.currentText]
            for name, (box, site, level, side) in self._rows.items()
        }

    def _combo(self, texts, chosen, tip):
        combo = qt.QComboBox()
        for text in texts:
            combo.addItem(text)
        combo.currentIndex = texts.index(chosen) if chosen in texts else 0
        combo.toolTip = tip
        return combo


def _levels():
    from BoneStrengthFEALib.anatomy.names import ANALYSED_LEVELS

    return ("", *ANALYSED_LEVELS)
