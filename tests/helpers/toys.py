"""Small worlds and the ways the dataset tests make and change them."""

import csv
from pathlib import Path

import yaml

from data_builder.builder import BiographyBuilder
from data_builder.schedules import Plan, Uniform
from data_builder.stream import BiographyStream

WORLD = {"n_individuals": 2500, "n_unseen": 30, "n_new": 20, "entries_per_list": 40}
SMALL = {"n_individuals": 12, "n_unseen": 5, "n_new": 4, "entries_per_list": 6}
SIZES = {"train": 2500, "validation": 2500, "unseen": 30, "new": 20}


def build(cache, config_name="biographies", num_proc=None, **settings):
    builder = BiographyBuilder(cache_dir=str(cache), config_name=config_name, **settings)
    builder.download_and_prepare(num_proc=num_proc)
    return builder.as_dataset()


def stream_of(source, tokenizer, seed=0, redraw_values=False):
    return BiographyStream(source, tokenizer, Uniform(Plan(source.population.groups["seen"])), seed, redraw_values)


def replace_line(path, old, new):
    path = Path(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[lines.index(old)] = new
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def arguments(output, settings=None, **more):
    values = (settings or SMALL) | {"output_dir": str(output)} | more
    return [part for name, value in values.items() for part in (f"--{name}", str(value))]


def files_of(directory):
    return {p.relative_to(directory): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def write_world(root, name, attributes, entries, n_templates=4):
    """Files of a world: lists of entries by name, and templates that differ by their first word."""
    for folder in ("values", "templates"):
        (root / folder).mkdir(parents=True)
    (root / "values" / "world.yaml").write_text(
        yaml.safe_dump({"name": name, "attributes": attributes}, sort_keys=False)
    )
    for part, lines in entries.items():
        (root / "values" / f"{part}.txt").write_text("".join(f"{line}\n" for line in lines))
    for attribute in attributes:
        lines = [f"{attribute} {number}: {{name}} has, {{value}}!" for number in range(n_templates - 1)]
        text = "".join(f"{line}\n" for line in [*lines, f"{{name}}'s {attribute} {{value}} is"])
        (root / "templates" / f"{attribute}.txt").write_text(text)
    return {"values_dir": str(root / "values"), "templates_dir": str(root / "templates")}


ADA = {
    "name": "Ada King Lovelace", "birth_date": "10 December 1815", "birth_place": "Marylebone",
    "university": "None, ever", "major": "Poetry", "company": "Babbage & Co.", "location": "St James’s Square",
}  # fmt: skip


def table(path, *people, columns=tuple(ADA)):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([person[column] for column in columns] for person in people)
    return str(path)
