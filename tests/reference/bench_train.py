#!/usr/bin/env python3
"""The steps of `medley bench --train` in PyTorch on the CPU: seconds a step, and the most memory of the process.
   python bench_train.py --work caption pretrain --batch 1 4 [--recompute] [--runs 5] [--threads 2]"""
import argparse, copy, os, resource, statistics, subprocess, sys, time

TOKENS = 17                                                         # of the caption that medley bench learns, prompt included
QUEUE, EMBED, ALPHA, TEMPERATURE, MOMENTUM = 57600, 256, 0.4, 0.07, 0.995


def config(size):
    from blip_common import BASE, make_config
    spec = copy.deepcopy(BASE)
    spec["text"].update(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, label_smoothing=0.1)
    spec["vision"]["image_size"] = size
    return make_config(spec)


def captioning(batch, recompute):
    """ViT-B at 384 px and BERT-base, all of it."""
    import torch
    from transformers import BlipForConditionalGeneration
    model = BlipForConditionalGeneration(config(384)).train()
    if recompute:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    pixels, ids, labels = torch.randn(batch, 3, 384, 384), *texts(batch)
    return model, lambda: model(pixel_values=pixels, input_ids=ids, labels=labels).loss


def texts(batch):
    import torch
    ids = torch.randint(1000, 30000, (batch, TOKENS))
    ids[:, 0], ids[:, -1] = 30522, 102
    labels = ids.clone()
    labels[:, :4] = -100
    return ids, labels


def pretraining(batch, recompute):
    """ViT-B at 224 px and BERT-base: ITC with twin and queue, ITM with drawn negatives, LM; as `blip_pretrain.py`."""
    import torch
    import torch.nn.functional as F
    from transformers import BlipForConditionalGeneration, BlipForImageTextRetrieval
    model = BlipForImageTextRetrieval(config(224)).train()
    decoder = BlipForConditionalGeneration(config(224)).text_decoder.train()
    decoder.bert.embeddings = model.text_encoder.embeddings
    decoder.cls.predictions.decoder.weight = model.text_encoder.embeddings.word_embeddings.weight
    for ours, theirs in zip(decoder.bert.encoder.layer, model.text_encoder.encoder.layer):
        ours.crossattention, ours.intermediate, ours.output = theirs.crossattention, theirs.intermediate, theirs.output
    twin = copy.deepcopy(model).eval().requires_grad_(False)
    model.decoder = decoder
    if recompute:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    image_queue, text_queue = (F.normalize(torch.randn(EMBED, QUEUE), dim=0) for _ in range(2))
    pixels, (ids, labels) = torch.randn(batch, 3, 224, 224), texts(batch)
    first = lambda token: torch.cat([torch.full((batch, 1), token), ids[:, 1:]], 1)
    cls, enc = first(101), first(30523)

    def features(m, image):
        text = m.text_encoder(input_ids=cls).last_hidden_state
        return F.normalize(m.vision_proj(image[:, 0]), dim=-1), F.normalize(m.text_proj(text[:, 0]), dim=-1)

    def loss():
        image = model.vision_model(pixel_values=pixels).last_hidden_state
        image_feature, text_feature = features(model, image)
        with torch.no_grad():
            for ours, theirs in zip(twin.parameters(), model.parameters()):
                ours.mul_(MOMENTUM).add_(theirs, alpha=1 - MOMENTUM)
            twin_image, twin_text = features(twin, twin.vision_model(pixel_values=pixels).last_hidden_state)
            images, words = torch.cat([twin_image.t(), image_queue], 1), torch.cat([twin_text.t(), text_queue], 1)
            right = torch.zeros(batch, batch + QUEUE).fill_diagonal_(1)
            target = lambda a, b: ALPHA * F.softmax(a @ b / TEMPERATURE, 1) + (1 - ALPHA) * right
            to_text, to_image = target(twin_image, words), target(twin_text, images)
        a, b = image_feature @ words / TEMPERATURE, text_feature @ images / TEMPERATURE
        itc = -((F.log_softmax(a, 1) * to_text).sum(1).mean() + (F.log_softmax(b, 1) * to_image).sum(1).mean()) / 2
        with torch.no_grad():
            draw = lambda s: torch.multinomial((F.softmax(s[:, :batch], 1) + 1e-4).fill_diagonal_(0), 1)[:, 0]
            wrong_text, wrong_image = draw(a), draw(b)
        pairs = torch.cat([enc, enc, enc[wrong_text]]), torch.cat([image, image[wrong_image], image])
        states = model.text_encoder(input_ids=pairs[0], encoder_hidden_states=pairs[1]).last_hidden_state
        matches = torch.cat([torch.ones(batch), torch.zeros(2 * batch)]).long()
        itm = F.cross_entropy(model.itm_head(states[:, 0]), matches)
        return itc + itm + decoder(input_ids=ids, encoder_hidden_states=image, labels=ids).loss
    return model, loss


def measure(work, batch, recompute, runs, threads):
    import torch, transformers
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model, loss = {"caption": captioning, "pretrain": pretraining}[work](batch, recompute)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.05)
    wall, cpu = [], []
    for _ in range(runs + 1):
        since, used = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        loss().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        wall.append(time.perf_counter() - since)
        cpu.append(time.process_time() - used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    how = "recompute" if recompute else "keep"
    print(f"{work:<9} batch {batch:>3} {how:<9} {min(wall[1:]):8.2f} s {statistics.median(wall[1:]):8.2f} s  "
          f"cpu {min(cpu[1:]):8.2f} s  {peak:6.2f} GB", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", nargs="+", choices=["caption", "pretrain"], default=["caption", "pretrain"])
    parser.add_argument("--batch", nargs="+", type=int, default=[1])
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()
    if len(a.work) * len(a.batch) == 1:
        measure(a.work[0], a.batch[0], a.recompute, a.runs, a.threads)
    else:                                                           # a process each: memory is the process's own
        for work in a.work:
            for batch in a.batch:
                more = ["--recompute"] if a.recompute else []
                subprocess.run([sys.executable, os.path.abspath(__file__), "--work", work, "--batch", str(batch), "--runs",
                                str(a.runs), "--threads", str(a.threads), *more], check=False)
