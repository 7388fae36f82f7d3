"""A stand-in for the weights that rclip downloads: of the same shapes (ViT-B/32 at 256 px and CLIP's text tower), with
random numbers, and merges that are none.  What it finds means nothing; how long it takes does.

    pip install torch transformers onnx onnxscript          makes the stand-in
    python rclip_peer.py FOLDER
    pip install rclip                                       in an environment of its own
    cd PHOTOGRAPHS && time RCLIP_DATADIR=FOLDER rclip "a dog"
"""
import gzip, sys
from pathlib import Path

import torch
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModelWithProjection

MODEL = "ViT-B-32-256-datacomp_s34b_b86k"
VOCABULARY, LENGTH = 49408, 77


class Output(torch.nn.Module):
    """The one output that rclip reads."""

    def __init__(self, model, name):
        super().__init__()
        self.model, self.name = model, name

    def forward(self, input):
        return self.model(input)[self.name]


def export(model, name, example, path):
    axes = {"input": {0: "batch"}, "output": {0: "batch"}}
    torch.onnx.export(Output(model.eval(), name), (example,), str(path), input_names=["input"], output_names=["output"],
                      dynamic_axes=axes, dynamo=False)


def main():
    out = Path(sys.argv[1])
    (out / MODEL).mkdir(parents=True, exist_ok=True)
    (out / "tokenizer").mkdir(exist_ok=True)
    torch.manual_seed(0)
    vision = CLIPVisionConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                              image_size=256, patch_size=32, projection_dim=512, attn_implementation="eager")
    text = CLIPTextConfig(vocab_size=VOCABULARY, hidden_size=512, intermediate_size=2048, num_hidden_layers=12,
                          num_attention_heads=8, max_position_embeddings=LENGTH, projection_dim=512,
                          attn_implementation="eager")
    with torch.no_grad():
        export(CLIPVisionModelWithProjection(vision), "image_embeds", torch.randn(2, 3, 256, 256), out / MODEL / "visual.onnx")
        ids = torch.randint(0, VOCABULARY, (2, LENGTH))
        export(CLIPTextModelWithProjection(text), "text_embeds", ids, out / MODEL / "textual.onnx")
    with gzip.open(out / "tokenizer" / "bpe_simple_vocab_16e6.txt.gz", "wt") as merges:
        merges.write("\n".join(f"{index} {index}" for index in range(VOCABULARY)))


main()
