"""Metrics for `evaluate.load`, each a file: `evaluate.load("<path to>/evaluation/metrics/attribute_loss.py")`.

`evaluate` copies that file into its cache and runs it there; so it imports the rest of this project by its full name.
`python -m hub_cards metrics` makes folders of them that need nothing of this project.
"""
