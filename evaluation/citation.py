"""The paper that definitions and method come from."""

CITATION = """@inproceedings{zucchet2025facts,
  title     = {How do language models learn facts? Dynamics, curricula and hallucinations},
  author    = {Zucchet, Nicolas and Bornschein, J{\\"o}rg and Chan, Stephanie and Lampinen, Andrew and
               Pascanu, Razvan and De, Soham},
  booktitle = {Conference on Language Modeling},
  year      = {2025}
}"""
