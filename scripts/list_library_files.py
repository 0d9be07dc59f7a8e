"""Write BoneStrengthFEALib/CMakeLists.txt with the names of all library files."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "BoneStrengthFEALib"
HEAD = """# Written by scripts/list_library_files.py: one line per file that is shipped beside the module.
set(LIBRARY_FILES
"""
TAIL = """  )

foreach(file IN LISTS LIBRARY_FILES)
  get_filename_component(folder "${file}" DIRECTORY)
  configure_file("${file}" "${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}/BoneStrengthFEALib/${file}" COPYONLY)
  install(FILES "${file}" DESTINATION "${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}/BoneStrengthFEALib/${folder}" COMPONENT Runtime)
endforeach()
"""


def main() -> None:
    """Write the list."""
    names = sorted(
        p.relative_to(FOLDER).as_posix()
        for p in FOLDER.rglob("*")
        if p.is_file() and p.name != "CMakeLists.txt" and "__pycache__" not in p.parts
    )
    (FOLDER / "CMakeLists.txt").write_text(HEAD + "".join(f"    {n}\n" for n in names) + TAIL, encoding="utf-8")


if __name__ == "__main__":
    main()
