"""What users bring along: names of settings in other trainers, YAML as it is commonly written, files of text."""

import re
from typing import ClassVar

import yaml

# What it is here; its first word is a setting.
ELSEWHERE = {
    "num_train_epochs": "max_steps (biographies are drawn anew, there are no epochs)",
    "max_train_steps": "max_steps",
    "num_warmup_steps": "warmup_steps",
    "warmup_ratio": "warmup_steps (a number of updates)",
    "batch_size": "per_device_train_batch_size",
    "train_batch_size": "per_device_train_batch_size",
    "lr": "learning_rate",
    "lr_scheduler": "lr_scheduler_type",
    "optimizer": "optim",
    "bf16": "mixed_precision bf16",
    "fp16": "mixed_precision bf16 (there is no fp16)",
    "do_train": "max_steps (each script trains)",
    "do_eval": "eval_steps (each script evaluates)",
    "eval_strategy": "eval_steps",
    "evaluation_strategy": "eval_steps",
    "save_strategy": "save_steps",
    "model_name_or_path": "model",
    "dataset_config_name": "dataset_name",
}

# As YAML 1.2 has it, for settings whose value is the text `no`, or digits.
_PLAIN = {
    "tag:yaml.org,2002:bool": re.compile("^(?:true|True|TRUE|false|False|FALSE)$"),
    "tag:yaml.org,2002:int": re.compile("^[-+]?(?:0|[1-9][0-9_]*)$"),
}


class PlainLoader(yaml.SafeLoader):
    """YAML 1.1 takes the last of two equal keys in silence, `no` for false, 010 for 8 and 1:30 for 90."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, _PLAIN.get(tag, words)) for tag, words in known]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor):
        """A mapping as it is written, before others are merged into it."""
        node, names = super().compose_mapping_node(anchor), set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in names:  # 1 and "1" are two
                raise yaml.YAMLError(f"line {key.start_mark.line + 1}: {key.value} stands there twice")
            names.add((key.tag, key.value))
        return node


def decoded(content: bytes) -> str:
    """The text of a file that a user wrote, line ends and all; a byte-order mark is passed over.

    Raises:
        ValueError: it is in another encoding than UTF-8; the first such line is named.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line} is not UTF-8; save the file as UTF-8") from None
