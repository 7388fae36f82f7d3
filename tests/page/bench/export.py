#!/usr/bin/env python3
"""Makes what bench.mjs measures with, of random weights: one model in every engine's format.

    python export.py OUT                 ViT-B/16 at 384 px and BERT-base, 2.3 GB in all
    python export.py OUT --layers 1      the first layer of each alone
    pip install torch transformers safetensors pillow onnx onnxscript

OUT gets `model.safetensors` with `config.json` and `vocab.txt` as Hugging Face writes them, three graphs, a picture
and its pixels, and `expected.json`: the first numbers of the encoder and the ids of greedy search.
"""
import argparse, json, os, sys

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from transformers import BlipForConditionalGeneration

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../reference"))
from blip_common import BASE, build

PROMPT = [30522, 1037, 3861, 1997]  # "a picture of", after the token that begins a caption
PROMPT_WORDS = {1037: "a", 3861: "picture", 1997: "of"}
SPECIAL_WORDS = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
SEP = 102
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def split(x):
    """[batch, token, hidden] to [batch, head, token, head size]."""
    return x.unflatten(-1, (12, 64)).transpose(1, 2)


class Encoder(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.vision = model.vision_model

    def forward(self, pixels):
        return self.vision(pixel_values=pixels).last_hidden_state


class Decoder(nn.Module):
    """The decoder with every key and value an argument and a result; in training its graph would be the same.

    `states` are there in the first step only: their keys and values are computed once for each picture.
    """

    def __init__(self, model):
        super().__init__()
        self.text = model.text_decoder.bert
        self.head = model.text_decoder.cls

    def attend(self, part, x, key, value, mask=None):
        scores = split(part.self.query(x)) @ key.transpose(-1, -2) / 8.0
        if mask is not None:
            scores = scores + mask
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        return part.output(mixed, x)

    def run(self, ids, position, own, context, mask):
        x = self.text.embeddings.word_embeddings(ids) + self.text.embeddings.position_embeddings(position)
        x = self.text.embeddings.LayerNorm(x)
        kept = []
        for layer, past, (key, value) in zip(self.text.encoder.layer, own, context):
            new = [split(layer.attention.self.key(x)), split(layer.attention.self.value(x))]
            if past is not None:
                new = [torch.cat(pair, 2) for pair in zip(past, new)]
            kept += new
            x = self.attend(layer.attention, x, *new, mask)
            x = self.attend(layer.crossattention, x, key, value)
            x = layer.output(layer.intermediate(x), x)
        return self.head(x[:, -1:])[:, 0], kept


class First(Decoder):
    def forward(self, ids, states):
        length = ids.shape[1]
        mask = torch.full((length, length), -1e9).triu(1)
        context = []
        for layer in self.text.encoder.layer:
            part = layer.crossattention.self
            context.append((split(part.key(states)), split(part.value(states))))
        past = [None] * len(context)
        logits, kept = self.run(ids, torch.arange(length)[None], past, context, mask)
        return (logits, *kept, *[tensor for pair in context for tensor in pair])


class Step(Decoder):
    def forward(self, ids, position, caches):
        pairs = list(zip(caches[::2], caches[1::2]))
        half = len(pairs) // 2
        logits, kept = self.run(ids, position, pairs[:half], pairs[half:], None)
        return (logits, *kept)


def names(kind, layers):
    return [f"{kind}.{layer}.{part}" for layer in range(layers) for part in ("key", "value")]


def picture(side):
    """Soft colours: nothing in it is as sharp as a decoder could get wrong."""
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [np.sin(7 * x + 3 * y), np.sin(5 * y - 4 * x + 1), np.cos(9 * x * y)]
    return (127.5 + 100 * np.stack(waves, -1)).round().astype(np.uint8)


def greedy(first, step, states, count):
    """Ids and the smallest lead of a best score over the second."""
    logits, *caches = first(torch.tensor([PROMPT]), states)
    half = len(caches) // 2
    ids, margin = [], float("inf")
    while True:
        logits[0, SEP] = -torch.inf
        best = logits[0].topk(2)
        margin = min(margin, (best.values[0] - best.values[1]).item())
        ids.append(best.indices[0].item())
        if len(ids) == count:
            return ids, margin
        position = torch.tensor([[len(PROMPT) + len(ids) - 1]])
        logits, *own = step(torch.tensor([[ids[-1]]]), position, caches)
        caches = own + caches[half:]


def export(module, arguments, path, **options):
    torch.onnx.export(module.eval(), arguments, path, dynamo=True, external_data=False, verbose=False, optimize=True, **options)


@torch.inference_mode()
def main(out, layers, tokens):
    os.makedirs(out, exist_ok=True)
    spec = {key: dict(value, num_hidden_layers=layers) if isinstance(value, dict) else value for key, value in BASE.items()}
    model = build(BlipForConditionalGeneration, spec)
    weights = {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, f"{out}/model.safetensors")  # with the tied weights twice: candle looks for both
    model.config.save_pretrained(out)
    words = [f"w{index}" for index in range(BASE["text"]["vocab_size"] - 2)]
    for index, word in (PROMPT_WORDS | SPECIAL_WORDS).items():
        words[index] = word
    with open(f"{out}/vocab.txt", "w") as file:
        file.write("\n".join(words) + "\n")

    image = picture(BASE["vision"]["image_size"])
    Image.fromarray(image).save(f"{out}/picture.png")
    pixels = (torch.tensor(image) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    pixels = pixels.permute(2, 0, 1)[None].float().contiguous()
    pixels.numpy().tofile(f"{out}/pixels.f32")

    encoder, first, step = Encoder(model), First(model), Step(model)
    states = encoder(pixels)
    ids, margin = greedy(first, step, states, tokens)
    expected = model.text_decoder(torch.tensor([PROMPT + ids[:-1]]), encoder_hidden_states=states).logits[0, -1].clone()
    expected[SEP] = -torch.inf
    assert expected.argmax() == ids[-1], "the decoder with caches is the decoder"
    with open(f"{out}/expected.json", "w") as file:
        json.dump({"layers": layers, "prompt": PROMPT, "ids": ids, "margin": margin, "states": states[0, 0, :8].tolist()}, file)

    export(encoder, (pixels,), f"{out}/encoder.onnx", input_names=["pixels"], output_names=["states"])
    own, context = names("own", layers), names("context", layers)
    export(first, (torch.tensor([PROMPT]), states), f"{out}/first.onnx",
           input_names=["ids", "states"], output_names=["logits", *own, *context])
    _, *caches = first(torch.tensor([PROMPT]), states)
    past = torch.export.Dim("past", min=2, max=500)
    shapes = ({}, {}, [{2: past} if index < len(own) else {} for index in range(len(caches))])
    export(step, (torch.tensor([[ids[0]]]), torch.tensor([[len(PROMPT)]]), caches), f"{out}/step.onnx", dynamic_shapes=shapes,
           input_names=["ids", "position", *own, *context], output_names=["logits", *[f"new.{name}" for name in own]])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=16)
    arguments = parser.parse_args()
    main(arguments.out, arguments.layers, arguments.tokens)
