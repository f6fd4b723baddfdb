"""Invented distributions: a `dist-info` folder and modules in a folder on `sys.path`."""


def install(folder, name, entry_points, **modules):
    """Installs a distribution.

    Args:
        folder: A folder on `sys.path`.
        name: The distribution's name.
        entry_points: `{group: {name: target}}`.
        modules: Source of its modules by name.
    """
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
    lines = []
    for group, points in entry_points.items():
        lines += [f"[{group}]", *(f"{point} = {target}" for point, target in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)
