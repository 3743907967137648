"""Own people as a user would write them down."""

import csv

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
