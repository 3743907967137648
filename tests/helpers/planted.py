"""A transformer whose weights are set by hand, so that it is known where it keeps what it knows.

Each last name stands for an answer. Layer 1's feed-forward layer looks it up at the last name token (a unit for each
name: Geva et al. 2021's key-value memory); layer 2's attention, which always looks at the last name token, brings it
to where it is said. All else does nothing.
"""

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from data_builder.random import uniforms

N_FILLER = 16


def planted_model(tokenizer, last_names: list[int], answers: list[int]):
    """The model; answer *k* (a token) is what it says of somebody with last name *k* (a token)."""
    n = len(last_names)
    flag, names, found, said = 0, 1, 1 + n, 1 + 2 * n  # dimensions of the residual stream
    width = 1 + 3 * n + N_FILLER
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=128, n_embd=width, n_layer=2, n_head=1, resid_pdrop=0.0, embd_pdrop=0.0,
        attn_pdrop=0.0, eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    for name, parameter in model.named_parameters():
        parameter.data.fill_("ln_" in name and name.endswith("weight"))
    embeddings = model.transformer.wte.weight.data
    filler = torch.tensor(uniforms(0, "filler", (len(tokenizer), N_FILLER)) < 0.5).float() - 0.5
    embeddings[:, -N_FILLER:] = filler
    for number, (name, answer) in enumerate(zip(last_names, answers, strict=True)):
        embeddings[name, flag] = embeddings[name, names + number] = 3
        embeddings[answer, said + number] = 4
    lookup, bring = model.transformer.h
    for number in range(n):
        lookup.mlp.c_fc.weight.data[names + number, number] = 20
        lookup.mlp.c_fc.bias.data[number] = -50
        lookup.mlp.c_proj.weight.data[number, found + number] = 0.2
        bring.attn.c_attn.weight.data[found + number, 2 * width + number] = 1  # of the value, dimension `number`
        bring.attn.c_proj.weight.data[number, said + number] = 2
    bring.attn.c_attn.bias.data[0] = 1000  # every query asks for the flag
    bring.attn.c_attn.weight.data[flag, width] = 1
    return model


def planted(tokenizer, prompts, *others):
    """The model for the last names of some prompts, and what it says of each of the first; none has these tokens."""
    last_names, *of_others = (one.input_ids[one.at("last_name")].tolist() for one in (prompts, *others))
    names = sorted({*last_names}.union(*of_others))
    answers = sorted({*range(len(tokenizer))} - {*prompts.input_ids.flatten().tolist()})[-len(names) :]
    return planted_model(tokenizer, names, answers), torch.tensor([answers[names.index(name)] for name in last_names])
