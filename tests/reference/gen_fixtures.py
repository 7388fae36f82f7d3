#!/usr/bin/env python3
"""Tiny BLIP reference fixtures from HF transformers (random weights, seed 0). 

  python gen_fixtures.py [--out fixtures]          # everything (tiny)
  python gen_fixtures.py --size base                        # build each head at ViT-B/16-384 size, time it, save nothing
  python gen_fixtures.py --size base --save-base base   # also dump the captioning head (for candle)
"""
import argparse, copy, json, os, time, math, warnings
import torch, torch.nn.functional as F
from torch import nn
from safetensors.torch import save_file
import transformers
from transformers import BlipForConditionalGeneration, BlipForImageTextRetrieval, BlipForQuestionAnswering
from blip_common import *

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
torch.set_num_threads(2)
torch.use_deterministic_algorithms(True)

# transformers >= 4.54-ish (checked: 4.57.1, 5.0.0, 5.23.0) silently DROPS encoder_attention_mask in BLIP's text cross-attention:
# BlipTextAttention.forward hands its mask to BlipTextSelfAttention as `attention_mask`, which a cross-attention ignores.
# 4.30 .. 4.53.3 and the original code apply it.  The references here use the repaired version; "hf5_as_is.*" the unrepaired.
from contextlib import contextmanager
from transformers.models.blip.modeling_blip_text import BlipTextAttention
_hf_forward = BlipTextAttention.forward


def _repaired(self, hidden_states, attention_mask=None, encoder_hidden_states=None, past_key_values=None, **kw):
    cross = encoder_hidden_states is not None
    ctx, probs = self.self(hidden_states, attention_mask=None if cross else attention_mask,
                           encoder_attention_mask=attention_mask if cross else None,
                           encoder_hidden_states=encoder_hidden_states, past_key_values=past_key_values)
    return self.output(ctx, hidden_states), probs


BlipTextAttention.forward = _repaired


@contextmanager
def hf_as_is():
    BlipTextAttention.forward = _hf_forward
    try:
        yield
    finally:
        BlipTextAttention.forward = _repaired


def save(path, d):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    d = {k: (v if torch.is_tensor(v) else torch.tensor(v)).detach().contiguous().clone() for k, v in d.items()}
    save_file(d, path)
    return {k: [list(v.shape), str(v.dtype).replace("torch.", "")] for k, v in d.items()}


def save_model(model, dirn):
    os.makedirs(dirn, exist_ok=True)
    model.save_pretrained(dirn)                                    # model.safetensors (tied duplicates dropped) + config.json
    torch.save(model.state_dict(), os.path.join(dirn, "pytorch_model.bin"))   # tied duplicates kept
    p = os.path.join(dirn, "generation_config.json")
    return os.path.exists(p)


def rows(lens, first, g, last=SEP, pad_to=None):
    """Random token rows: [first, words..., last, pad...]."""
    L = pad_to or max(lens)
    ids = torch.full((len(lens), L), PAD)
    for i, n in enumerate(lens):
        w = torch.randint(3, 100, (n - 2,), generator=g)
        ids[i, :n] = torch.cat([torch.tensor([first]), w, torch.tensor([last])])
    return ids, (ids != PAD).long()


def vision_refs(model, pv, out, prefix="vision."):
    vm = model.vision_model
    emb = vm.embeddings(pv)
    o = vm(pixel_values=pv, output_hidden_states=True)
    out[prefix + "embeddings"] = emb
    for i, h in enumerate(o.hidden_states):                        # [0] = embeddings, [i] = after layer i-1 (before post_layernorm)
        out[prefix + f"hidden_states.{i}"] = h
    out[prefix + "last_hidden_state"] = o.last_hidden_state        # post_layernorm applied once
    out[prefix + "pooler_output"] = o.pooler_output                # post_layernorm applied TWICE to token 0 (HF quirk)
    return o.last_hidden_state


def interp_refs(model, out, g):
    vm = model.vision_model
    pv = torch.randn(1, 3, 48, 40, generator=g)                    # 6 x 5 patches, trained on 4 x 4
    o = vm(pixel_values=pv, interpolate_pos_encoding=True)
    e0 = torch.zeros(1, 31, vm.config.hidden_size)
    out["interp.pixel_values"] = pv
    out["interp.position_embedding"] = vm.embeddings.interpolate_pos_encoding(e0, 48, 40)
    out["interp.last_hidden_state"] = o.last_hidden_state
    pe = vm.embeddings.position_embedding
    for n in (3, 6, 7):                                            # original BLIP: square, at load time
        t = pe[:, 1:].reshape(1, 4, 4, -1).permute(0, 3, 1, 2)
        t = F.interpolate(t, size=(n, n), mode="bicubic", align_corners=False).permute(0, 2, 3, 1).flatten(1, 2)
        out[f"interp.orig_pos_embed_{n}x{n}"] = torch.cat([pe[:, :1], t], 1)


def text_step(decoder, enc, enc_mask=None):
    """Closure: list of token lists -> logits of the last token, for ONE sample (enc [1,S,D]); no cache."""
    def f(seqs):
        ids = torch.tensor(seqs)
        e = enc.expand(len(seqs), -1, -1)
        m = None if enc_mask is None else enc_mask.expand(len(seqs), -1)
        return decoder(input_ids=ids, encoder_hidden_states=e, encoder_attention_mask=m).logits[:, -1]
    return f


def greedy_margin(logits_steps, ids, prompt_len):
    """Smallest top1-top2 logit gap over the steps that produced a non-pad token."""
    m = float("inf")
    for s, lg in enumerate(logits_steps):
        for b in range(ids.shape[0]):
            col = prompt_len + s
            if col < ids.shape[1] and ids[b, col] != PAD:
                t = lg[b].topk(2).values
                m = min(m, (t[0] - t[1]).item())
    return m


def check_beam(name, decoder, enc, prompts, got, scores, meta, **kw):
    """Re-run beam search with the independent implementation, require equality; note margins."""
    nret = kw.pop("nret", 1)
    margins = []
    for b, pr in enumerate(prompts):
        fin, margin = ref_beam_search(text_step(decoder, enc[b:b + 1]), pr, SEP, PAD, kw["num_beams"], kw["max_length"],
                                      kw.get("min_length", 0), kw.get("length_penalty", 1.0),
                                      kw.get("early_stopping", False), kw.get("repetition_penalty", 1.0))
        margins.append(margin)
        for r in range(nret):
            row = got[b * nret + r].tolist()
            want = fin[r][1]
            assert row[:len(want)] == want and set(row[len(want):]) <= {SEP}, (name, b, r, row, want)
            assert abs(scores[b * nret + r].item() - fin[r][0]) < 1e-4, (name, scores, fin)
    meta[name] = dict(kw, min_margin=min(margins), note="ids right-padded with SEP(102), not PAD (HF beam-search quirk)")


def beams_415(name, decoder, enc, prompts, o, meta, **kw):
    """transformers-4.15 semantics (original BLIP): ids padded with PAD(0)."""
    res = [ref_beam_search_415(text_step(decoder, enc[b:b + 1]), pr, SEP, PAD, **kw) for b, pr in enumerate(prompts)]
    L = max(len(r[0][0][1]) for r in res)
    o[f"gen415.{name}.ids"] = torch.tensor([r[0][0][1] + [PAD] * (L - len(r[0][0][1])) for r in res])
    o[f"gen415.{name}.scores"] = torch.tensor([r[0][0][0] for r in res])
    meta[f"gen415.{name}"] = dict(kw, min_margin=min(r[1] for r in res))


def gen(model_generate, prompt_len, out, meta, name, **kw):
    r = model_generate(return_dict_in_generate=True, output_logits=True, output_scores=True, **kw)
    out[f"gen.{name}.ids"] = r.sequences
    if kw.get("num_beams", 1) == 1:
        out[f"gen.{name}.logits"] = torch.stack(r.logits, 1)       # [B, steps, V] raw logits of every step
        meta[name] = dict(kw, min_margin=greedy_margin(r.logits, r.sequences, prompt_len), pad="PAD(0) after SEP")
    else:
        out[f"gen.{name}.sequences_scores"] = r.sequences_scores
    return r


def set_sep_bias(model, value):
    with torch.no_grad():
        model.text_decoder.cls.predictions.bias[SEP] = value


def f64_tolerance(model, fn):
    """max |f32 - f64| over the outputs of fn(model, cast)."""
    a = fn(model, lambda t: t)
    m64 = copy.deepcopy(model).double()
    b = fn(m64, lambda t: t.double())
    return {k: (a[k].double() - b[k].double()).abs().max().item() for k in a}


# --------------------------------------------------------------------------------------------------- captioning
def caption(out_dir, spec, seed=0, sep_bias=None, B=3, data_seed=1000, pos_std=1.0):
    m = build(BlipForConditionalGeneration, spec, seed, pos_std=pos_std)
    if sep_bias is not None:
        set_sep_bias(m, sep_bias)
    meta = {"torch": torch.__version__, "transformers": transformers.__version__, "seed": seed, "data_seed": data_seed, "pos_std": pos_std, "sep_bias": sep_bias}
    save_model(m, out_dir)
    g = torch.Generator().manual_seed(data_seed)
    o = {}
    S = spec["vision"]["image_size"]
    pv = torch.randn(B, 3, S, S, generator=g)
    o["pixel_values"] = pv
    img = vision_refs(m, pv, o)
    interp_refs(m, o, g)
    ids, mask = rows([9, 7, 5], DEC, g)
    prompt_len = 4                                                 # [DEC] + 3 words
    ids[:, 1:4] = ids[:1, 1:4]
    o["input_ids"], o["attention_mask"] = ids, mask
    bert = m.text_decoder.bert(input_ids=ids, attention_mask=mask, encoder_hidden_states=img, is_decoder=True,
                               output_hidden_states=True)
    for i, h in enumerate(bert.hidden_states):
        o[f"text.hidden_states.{i}"] = h
    o["text.last_hidden_state"] = bert.last_hidden_state
    r = m(pixel_values=pv, input_ids=ids, attention_mask=mask)
    o["logits"] = r.logits
    o["logits_nomask"] = m(pixel_values=pv, input_ids=ids).logits
    # losses
    lab_pad = ids.masked_fill(ids == PAD, -100)
    lab_prompt = lab_pad.clone(); lab_prompt[:, :prompt_len] = -100
    o["labels.pad_ignored"], o["labels.prompt_ignored"] = lab_pad, lab_prompt
    for ls in (0.0, 0.1):
        m.text_decoder.label_smoothing = ls
        t = f"ls{ls}"
        o[f"loss.pad_ignored.{t}"] = m(pixel_values=pv, input_ids=ids, attention_mask=mask, labels=lab_pad).loss
        o[f"loss.prompt_ignored.{t}"] = m(pixel_values=pv, input_ids=ids, attention_mask=mask, labels=lab_prompt).loss
        o[f"loss.hf_labels_eq_input_ids.{t}"] = m(pixel_values=pv, input_ids=ids, attention_mask=mask, labels=ids).loss
        o[f"loss.per_sample_sum.{t}"] = m.text_decoder(input_ids=ids, attention_mask=mask, encoder_hidden_states=img,
                                                       labels=lab_pad, reduction="none").loss
    # gradients of the original training loss (smoothing 0.1, prompt ignored)
    m.text_decoder.label_smoothing = 0.1
    m.zero_grad()
    m(pixel_values=pv, input_ids=ids, attention_mask=mask, labels=lab_prompt).loss.backward()
    grads = {n: p.grad for n, p in m.named_parameters() if p.grad is not None}
    meta["no_grad"] = [n for n, p in m.named_parameters() if p.grad is None]
    save(f"{out_dir}/grads.safetensors", grads)
    m.zero_grad(); m.text_decoder.label_smoothing = 0.0
    # generation
    G = lambda **k: m.generate(pixel_values=pv, **k)
    gm = meta["generation"] = {}
    gen(G, 1, o, gm, "greedy")                                     # HF default: 20 new tokens
    gen(G, 1, o, gm, "greedy_maxlen12", max_length=12)
    prompt = torch.cat([torch.tensor([CLS]), ids[0, 1:4], torch.tensor([SEP])]).expand(B, -1).clone()
    o["prompt_ids"] = prompt                                       # as the tokenizer gives it: [CLS] w w w [SEP]
    P = prompt.shape[1] - 1
    GP = lambda **k: m.generate(pixel_values=pv, input_ids=prompt.clone(), attention_mask=torch.ones_like(prompt), **k)
    gen(GP, P, o, gm, "greedy_prompt")
    gen(GP, P, o, gm, "greedy_prompt_min10", max_length=20, min_length=10)
    gen(GP, P, o, gm, "greedy_prompt_rep1.5", max_length=20, repetition_penalty=1.5)
    d = m.text_decoder
    np_ = [[DEC]] * B
    pp = [[DEC] + prompt[0, 1:-1].tolist()] * B
    cases = [("beam3", G, np_, dict(num_beams=3)),
             ("beam3_prompt_orig", GP, pp, dict(num_beams=3, max_length=20, min_length=5)),        # original caption_coco.yaml
             ("beam3_prompt_orig_default", GP, pp, dict(num_beams=3, max_length=30, min_length=10)),  # BLIP_Decoder.generate defaults
             ("beam3_prompt_rep1.5", GP, pp, dict(num_beams=3, max_length=20, min_length=5, repetition_penalty=1.5)),
             ("beam3_lp2", G, np_, dict(num_beams=3, max_length=16, length_penalty=2.0)),
             ("beam3_lp0", G, np_, dict(num_beams=3, max_length=16, length_penalty=0.0)),
             ("beam3_early", G, np_, dict(num_beams=3, max_length=16, early_stopping=True)),
             ("beam4_never", G, np_, dict(num_beams=4, max_length=16, early_stopping="never")),
             ("beam3_nret3", G, np_, dict(num_beams=3, max_length=16, num_return_sequences=3))]
    for name, fn, pr, kw in cases:
        r = gen(fn, len(pr[0]), o, gm, name, **kw)
        k2 = dict(kw); nret = k2.pop("num_return_sequences", 1); k2.setdefault("max_length", 20 + len(pr[0]))
        check_beam(name, d, img, pr, r.sequences, r.sequences_scores, gm, nret=nret, **k2)
    with torch.no_grad():
        for name, fn, pr, kw in cases[1:4]:
            beams_415(name, d, img, pr, o, gm, **kw)
    # HF batched prompts of different length (right padded): documents HF behaviour, not meant to be copied
    rp, rm = rows([6, 4, 5], CLS, g)
    o["ragged.prompt_ids"], o["ragged.attention_mask"] = rp, rm
    o["gen.ragged_hf_batched.ids"] = m.generate(pixel_values=pv, input_ids=rp.clone(), attention_mask=rm.clone(), max_length=16)
    for b in range(B):
        n = int(rm[b].sum())
        o[f"gen.ragged_alone.{b}.ids"] = m.generate(pixel_values=pv[b:b + 1], input_ids=rp[b:b + 1, :n].clone(),
                                                    attention_mask=rm[b:b + 1, :n].clone(), max_length=16)
    # top-k / top-p filters (for nucleus sampling)
    from transformers import TopPLogitsWarper, TopKLogitsWarper
    lg = o["logits"][:, 2].detach()
    o["filter.logits"] = lg
    o["filter.top_p0.9_keep"] = torch.isfinite(TopPLogitsWarper(0.9)(None, lg)).to(torch.uint8)
    o["filter.top_k5_keep"] = torch.isfinite(TopKLogitsWarper(5)(None, lg)).to(torch.uint8)

    def fn(mm, c):
        r = mm(pixel_values=c(pv), input_ids=ids, attention_mask=mask)
        return {"vision": r.last_hidden_state.detach(), "logits": r.logits.detach()}
    meta["max_abs_f32_minus_f64"] = f64_tolerance(m, fn)
    meta["tensors"] = save(f"{out_dir}/ref.safetensors", o)
    json.dump(meta, open(f"{out_dir}/meta.json", "w"), indent=1)
    return m, o, meta


# --------------------------------------------------------------------------------------------------- VQA
def rank_answers(m, q_states, q_mask, ans, ans_mask, k):
    """Original BLIP `rank_answer`, re-stated: score k best-first-token candidates by summed label-smoothed NLL."""
    n = q_states.shape[0]
    start = ans[0, 0].repeat(n, 1)
    lg = m.text_decoder(input_ids=start, encoder_hidden_states=q_states, encoder_attention_mask=q_mask).logits[:, 0]
    first = lg.softmax(1)[:, ans[:, 1]]
    topk_p, topk_i = first.topk(k, 1)
    scores = torch.empty(n, k)
    for b in range(n):
        a, am = ans[topk_i[b]], ans_mask[topk_i[b]]
        tgt = a.masked_fill(a == PAD, -100)
        m.text_decoder.label_smoothing = 0.1
        l = m.text_decoder(input_ids=a, attention_mask=am, encoder_hidden_states=q_states[b:b + 1].expand(k, -1, -1),
                           encoder_attention_mask=q_mask[b:b + 1].expand(k, -1), labels=tgt, reduction="none").loss
        scores[b] = -l
    m.text_decoder.label_smoothing = 0.0
    best = topk_i.gather(1, scores.argmax(1, keepdim=True))[:, 0]
    return topk_p, topk_i, scores, best


def vqa(out_dir, spec, seed=0, sep_bias=None, B=3, data_seed=2000, pos_std=0.6):
    m = build(BlipForQuestionAnswering, spec, seed, pos_std=pos_std)
    if sep_bias is not None:
        set_sep_bias(m, sep_bias)
    meta = {"torch": torch.__version__, "transformers": transformers.__version__, "seed": seed, "data_seed": data_seed, "pos_std": pos_std, "sep_bias": sep_bias}
    save_model(m, out_dir)
    g = torch.Generator().manual_seed(data_seed)
    o = {}
    S = spec["vision"]["image_size"]
    pv = torch.randn(B, 3, S, S, generator=g)
    o["pixel_values"] = pv
    img = vision_refs(m, pv, o)
    q, qm = rows([8, 6, 7], CLS, g)
    o["input_ids"], o["attention_mask"] = q, qm
    qe = q.clone(); qe[:, 0] = ENC
    o["input_ids_enc"] = qe
    iat = torch.ones(img.shape[:-1], dtype=torch.long)
    enc = lambda i, mk: m.text_encoder(input_ids=i, attention_mask=mk, encoder_hidden_states=img,
                                       encoder_attention_mask=iat, output_hidden_states=True)
    e = enc(q, qm)
    for i, h in enumerate(e.hidden_states):
        o[f"question.hidden_states.{i}"] = h
    o["question.last_hidden_state"] = e.last_hidden_state
    ee = enc(qe, qm).last_hidden_state
    o["question_enc.last_hidden_state"] = ee                       # original semantics ([ENC] first)
    a, am = rows([5, 3, 4], DEC, g)
    o["answer_ids"], o["answer_mask"] = a, am
    lab = a.masked_fill(a == PAD, -100)
    o["answer_labels"] = lab
    o["decoder.logits"] = m.text_decoder(input_ids=a, attention_mask=am, encoder_hidden_states=e.last_hidden_state,
                                         encoder_attention_mask=qm).logits
    o["decoder_enc.logits"] = m.text_decoder(input_ids=a, attention_mask=am, encoder_hidden_states=ee,
                                             encoder_attention_mask=qm).logits
    for ls in (0.0, 0.1):
        m.text_decoder.label_smoothing = ls
        t = f"ls{ls}"
        # (a) proper: decoder ids given, pads ignored   (b) HF doc usage: labels only (no -100, no answer mask, pads counted)
        o[f"loss.pad_ignored.{t}"] = m(input_ids=q, pixel_values=pv, attention_mask=qm, decoder_input_ids=a,
                                       decoder_attention_mask=am, labels=lab).loss
        o[f"loss.hf_labels_only.{t}"] = m(input_ids=q, pixel_values=pv, attention_mask=qm, labels=a).loss
        o[f"loss.orig_per_answer.{t}"] = m.text_decoder(input_ids=a, attention_mask=am, encoder_hidden_states=ee,
                                                        encoder_attention_mask=qm, labels=lab, reduction="none").loss
    m.text_decoder.label_smoothing = 0.0
    with hf_as_is():
        o["hf5_as_is.decoder.logits"] = m.text_decoder(input_ids=a, attention_mask=am, encoder_hidden_states=e.last_hidden_state,
                                                       encoder_attention_mask=qm).logits
        o["hf5_as_is.loss.pad_ignored.ls0.0"] = m(input_ids=q, pixel_values=pv, attention_mask=qm, decoder_input_ids=a,
                                                  decoder_attention_mask=am, labels=lab).loss
        o["hf5_as_is.loss.hf_labels_only.ls0.0"] = m(input_ids=q, pixel_values=pv, attention_mask=qm, labels=a).loss
        meta["hf5_as_is_max_logit_diff"] = (o["hf5_as_is.decoder.logits"] - o["decoder.logits"]).abs().max().item()
    w = torch.tensor([0.6, 1.0, 0.4]); o["orig_weights"] = w
    o["loss.orig_training.ls0.1"] = (w * o["loss.orig_per_answer.ls0.1"]).sum() / B
    gm = meta["generation"] = {}
    G = lambda **k: m.generate(input_ids=q.clone(), pixel_values=pv, attention_mask=qm, **k)
    GE = lambda **k: m.generate(input_ids=qe.clone(), pixel_values=pv, attention_mask=qm, **k)
    gen(G, 1, o, gm, "greedy")
    gen(GE, 1, o, gm, "greedy_enc")
    d = m.text_decoder
    for name, fn, st, kw in [("beam3", G, e.last_hidden_state, dict(num_beams=3)),
                             ("beam3_enc_orig", GE, ee, dict(num_beams=3, max_length=10, min_length=1))]:
        r = gen(fn, 1, o, gm, name, **kw)
        k2 = dict(kw); k2.setdefault("max_length", 21)
        check_beam(name, d, st.detach(), [[DEC]] * B, r.sequences, r.sequences_scores, gm, **k2)   # all-ones question mask
    with torch.no_grad():
        beams_415("beam3_enc_orig", d, ee, [[DEC]] * B, o, gm, num_beams=3, max_length=10, min_length=1)
    for b in range(B):
        n = int(qm[b].sum())
        o[f"gen.greedy_alone.{b}.ids"] = m.generate(input_ids=q[b:b + 1, :n].clone(), pixel_values=pv[b:b + 1],
                                                    attention_mask=qm[b:b + 1, :n])
    cand, cm = rows([4, 3, 5, 4, 3, 6], DEC, g)
    o["rank.answer_ids"], o["rank.answer_mask"] = cand, cm
    with torch.no_grad():
        tp, ti, sc, best = rank_answers(m, ee, qm, cand, cm, 3)
    o["rank.topk_probs"], o["rank.topk_ids"], o["rank.log_probs_sum"], o["rank.best"] = tp, ti, sc, best
    s = sc.sort(1, descending=True).values
    meta["rank_min_margin"] = (s[:, 0] - s[:, 1]).min().item()

    def fn(mm, c):
        im = mm.vision_model(pixel_values=c(pv)).last_hidden_state
        h = mm.text_encoder(input_ids=q, attention_mask=qm, encoder_hidden_states=im, encoder_attention_mask=iat).last_hidden_state
        return {"question": h.detach(), "logits": mm.text_decoder(input_ids=a, attention_mask=am, encoder_hidden_states=h,
                                                                  encoder_attention_mask=qm).logits.detach()}
    meta["max_abs_f32_minus_f64"] = f64_tolerance(m, fn)
    meta["tensors"] = save(f"{out_dir}/ref.safetensors", o)
    json.dump(meta, open(f"{out_dir}/meta.json", "w"), indent=1)
    return m, o, meta


# --------------------------------------------------------------------------------------------------- ITM / ITC
def itm(out_dir, spec, seed=0, B=3):
    m = build(BlipForImageTextRetrieval, spec, seed)
    meta = {"seed": seed}
    save_model(m, out_dir)
    g = torch.Generator().manual_seed(3000 + seed)
    o = {}
    S = spec["vision"]["image_size"]
    pv = torch.randn(B, 3, S, S, generator=g)
    o["pixel_values"] = pv
    img = vision_refs(m, pv, o)
    ids, mask = rows([9, 6, 7], CLS, g, pad_to=12)                 # padded beyond the longest, like max_length=35
    o["input_ids"], o["attention_mask"] = ids, mask
    iat = torch.ones(img.shape[:-1], dtype=torch.long)
    r = m(input_ids=ids, pixel_values=pv, attention_mask=mask, use_itm_head=True)
    o["itm.logits"], o["itm.last_hidden_state"] = r.itm_score, r.question_embeds
    o["itm.prob_match"] = r.itm_score.softmax(1)[:, 1]
    ide = ids.clone(); ide[:, 0] = ENC
    o["input_ids_enc"] = ide
    r = m(input_ids=ide, pixel_values=pv, attention_mask=mask, use_itm_head=True)
    o["itm_enc.logits"], o["itm_enc.last_hidden_state"] = r.itm_score, r.question_embeds
    r = m(input_ids=ids, pixel_values=pv, use_itm_head=True)       # the HF convert script calls it without a mask: pads attended
    o["itm_nomask.logits"] = r.itm_score
    r = m(input_ids=ids, pixel_values=pv, attention_mask=mask, use_itm_head=False)
    o["itc.scores"], o["itc.text_last_hidden_state"] = r.itm_score, r.question_embeds      # [images, texts]
    o["itc.image_feat"] = F.normalize(m.vision_proj(img[:, 0]), dim=-1)
    o["itc.text_feat"] = F.normalize(m.text_proj(r.question_embeds[:, 0]), dim=-1)
    # the original retrieval evaluation: score[i, t] = itm_logit[:,1] (with [ENC]) + itc
    full = torch.empty(B, B)
    for i in range(B):
        full[i] = m(input_ids=ide, pixel_values=pv[i:i + 1].expand(B, -1, -1, -1), attention_mask=mask).itm_score[:, 1]
    o["retrieval.itm_enc_logit1"], o["retrieval.score_i2t"] = full, full + o["itc.scores"]

    def fn(mm, c):
        return {"itm": mm(input_ids=ids, pixel_values=c(pv), attention_mask=mask).itm_score.detach(),
                "itc": mm(input_ids=ids, pixel_values=c(pv), attention_mask=mask, use_itm_head=False).itm_score.detach()}
    meta["max_abs_f32_minus_f64"] = f64_tolerance(m, fn)
    meta["tensors"] = save(f"{out_dir}/ref.safetensors", o)
    json.dump(meta, open(f"{out_dir}/meta.json", "w"), indent=1)
    return m, o, meta


# --------------------------------------------------------------------------------------------------- NLVR2
class NlvrCross(nn.Module):
    """Twin cross-attention (own statement of the original nlvr_encoder semantics)."""
    def __init__(self, att, hidden, merge):
        super().__init__()
        self.self0, self.self1 = copy.deepcopy(att.self), copy.deepcopy(att.self)
        self.dense0, self.dense1 = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.merge_layer = nn.Linear(2 * hidden, hidden) if merge else None
        self.LayerNorm = copy.deepcopy(att.output.LayerNorm)

    def forward(self, x, e0, e1):
        c0 = self.dense0(self.self0(x, encoder_hidden_states=e0)[0])
        c1 = self.dense1(self.self1(x, encoder_hidden_states=e1)[0])
        y = self.merge_layer(torch.cat([c0, c1], -1)) if self.merge_layer is not None else (c0 + c1) / 2
        return self.LayerNorm(y + x)


class Nlvr(nn.Module):
    """merge_from: first layer index that has a merge layer (original: hard-coded 6 of 12)."""
    def __init__(self, spec, merge_from):
        super().__init__()
        base = build(BlipForImageTextRetrieval, spec, 7, big_init=False)
        self.vision_model, self.text_encoder = base.vision_model, base.text_encoder
        h = spec["text"]["hidden_size"]
        self.cross = nn.ModuleList([NlvrCross(l.crossattention, h, i >= merge_from) for i, l in enumerate(self.text_encoder.encoder.layer)])
        for l in self.text_encoder.encoder.layer:
            del l.crossattention
        self.cls_head = nn.Sequential(nn.Linear(h, h), nn.ReLU(), nn.Linear(h, 2))

    def forward(self, images, ids, mask):                          # images: [2B,...], first B = image0, last B = image1
        emb = self.vision_model(pixel_values=images).last_hidden_state
        e0, e1 = emb.split(ids.shape[0])
        h = self.text_encoder.embeddings(input_ids=ids)
        bias = torch.zeros(mask.shape, dtype=h.dtype).masked_fill(mask == 0, torch.finfo(h.dtype).min)[:, None, None]
        for l, c in zip(self.text_encoder.encoder.layer, self.cross):
            a = l.attention(h, attention_mask=bias)[0]
            a = c(a, e0, e1)
            h = l.feed_forward_chunk(a)
        return self.cls_head(h[:, 0]), h, emb

    def orig_state(self, max_pos):
        out = {}
        for k, v in self.state_dict().items():
            if k.startswith("cross."):
                _, i, rest = k.split(".", 2)
                pre = f"text_encoder.encoder.layer.{i}.crossattention."
                if rest.startswith(("self0", "self1")):
                    out[pre + rest] = v.clone()
                else:
                    out[pre + "output." + rest] = v.clone()
            elif k.startswith("cls_head."):
                out[k] = v.clone()
            elif not k.endswith("position_ids"):
                out[hf_to_orig(k)] = v.clone()
        out["text_encoder.embeddings.position_ids"] = torch.arange(max_pos).expand(1, -1).clone()
        return out


def nlvr(out_dir, spec, merge_from, seed=0, B=3, layers=None):
    spec = dict(spec, text=dict(spec["text"], num_hidden_layers=layers or spec["text"]["num_hidden_layers"]))
    torch.manual_seed(seed)
    m = Nlvr(spec, merge_from)
    torch.manual_seed(seed + 50)
    reinit(m); m.eval()
    g = torch.Generator().manual_seed(4000 + seed)
    S = spec["vision"]["image_size"]
    pv = torch.randn(2 * B, 3, S, S, generator=g)
    ids, mask = rows([9, 6, 7], CLS, g)
    ids[:, 0] = ENC
    lg, h, emb = m(pv, ids, mask)
    tg = torch.tensor([1, 0, 1])
    o = {"pixel_values": pv, "input_ids": ids, "attention_mask": mask, "targets": tg, "vision.last_hidden_state": emb,
         "text.last_hidden_state": h, "logits": lg, "loss": F.cross_entropy(lg, tg), "logits_swapped": m(torch.cat([pv[B:], pv[:B]]), ids, mask)[0]}
    os.makedirs(out_dir, exist_ok=True)
    sd = m.orig_state(spec["text"]["max_position_embeddings"])
    torch.save({"model": sd}, f"{out_dir}/nlvr.pth")
    save(f"{out_dir}/nlvr.safetensors", sd)
    o["loss"].backward()
    grads = copy.deepcopy(m)
    for name, p in m.named_parameters():
        grads.get_parameter(name).data = torch.zeros_like(p) if p.grad is None else p.grad
    save(f"{out_dir}/grads.safetensors", {k: v for k, v in grads.orig_state(0).items() if not k.endswith("position_ids")})
    med = dict(spec["text"], merge_from=merge_from, vision=spec["vision"])
    json.dump({"merge_from": merge_from, "note": "vision LN eps 1e-5 was used for this reference (orig class default: 1e-6)",
               "text": spec["text"], "vision": spec["vision"], "tensors": save(f"{out_dir}/ref.safetensors", o)},
              open(f"{out_dir}/meta.json", "w"), indent=1)
    return m, o, sd


# --------------------------------------------------------------------------------------------------- visual dialog
def dialog(out_dir, m, spec, seed):
    """BLIP section 5.5 on the weights of an ITM model: the caption's states behind the image tokens are one context.

    Where the widths differ a linear layer brings the states to the width of the image tokens (ours, the paper has none).
    Two pictures, two candidate answers each."""
    torch.manual_seed(seed + 60)
    h, v, S = spec["text"]["hidden_size"], spec["vision"]["hidden_size"], spec["vision"]["image_size"]
    project = nn.Identity() if h == v else nn.Linear(h, v)
    g = torch.Generator().manual_seed(6000 + seed)
    pv = torch.randn(2, 3, S, S, generator=g)
    cap, cmask = rows([5, 8], CLS, g)
    ids, mask = rows([12, 9, 10, 7], ENC, g)
    img = m.vision_model(pixel_values=pv).last_hidden_state
    caption = m.text_encoder(input_ids=cap, attention_mask=cmask).last_hidden_state
    context = torch.cat([img, project(caption)], 1).repeat_interleave(2, 0)
    cmask_all = torch.cat([torch.ones(img.shape[:-1], dtype=torch.long), cmask], 1).repeat_interleave(2, 0)
    text = m.text_encoder(input_ids=ids, attention_mask=mask, encoder_hidden_states=context, encoder_attention_mask=cmask_all)
    lg = m.itm_head(text.last_hidden_state[:, 0])
    tg = torch.tensor([1, 0, 0, 1])
    o = {"pixel_values": pv, "caption_ids": cap, "caption_mask": cmask, "input_ids": ids, "attention_mask": mask, "targets": tg,
         "vision.last_hidden_state": img, "caption.last_hidden_state": caption, "logits": lg, "loss": F.cross_entropy(lg, tg)}
    save(f"{out_dir}/ref.safetensors", o)
    if h == v:
        return o
    parts = {n: t for n, t in m.named_parameters() if not n.startswith(("vision_proj", "text_proj"))}
    parts = {hf_to_orig(n): t for n, t in parts.items()} | {f"caption_proj.{n}": t for n, t in project.named_parameters()}
    save(f"{out_dir}/dialog.safetensors", parts)
    save(f"{out_dir}/grads.safetensors", dict(zip(parts, torch.autograd.grad(o["loss"], list(parts.values())))))
    return o


# --------------------------------------------------------------------------------------------------- original layout
def momentum_copy(sd, eps, keys_prefix):
    torch.manual_seed(99)
    out = {}
    for k, v in sd.items():
        for p in keys_prefix:
            if k.startswith(p + "."):
                k2 = k.replace(p + ".", p + "_m.", 1)
                out[k2] = v.clone() if not v.is_floating_point() else v + eps * torch.randn_like(v)
    return out


def queues(dim, n, idx=True):
    torch.manual_seed(5)
    d = {"image_queue": F.normalize(torch.randn(dim, n), dim=0), "text_queue": F.normalize(torch.randn(dim, n), dim=0)}
    if idx:
        d["idx_queue"] = torch.full((1, n), -100)
        d["ptr_queue"] = torch.zeros(1, dtype=torch.long)
    else:
        d["queue_ptr"] = torch.zeros(1, dtype=torch.long)
    d["temp"] = torch.tensor(0.07)
    return d


def pretrain_like(out_dir, spec, seed=0):
    """Original `BLIP_Pretrain` layout: text_encoder and text_decoder.bert share everything except self-attention."""
    it = build(BlipForImageTextRetrieval, spec, seed + 21)
    torch.manual_seed(seed + 22)
    ca = BlipForConditionalGeneration(make_config(spec)); reinit(ca); ca.eval()
    ca.vision_model.load_state_dict(it.vision_model.state_dict())
    enc = it.text_encoder.state_dict(); dec = ca.text_decoder.bert.state_dict()
    for k in enc:
        if ".attention." not in k and k in dec:
            enc[k] = dec[k].clone()
    it.text_encoder.load_state_dict(enc)
    mp = spec["text"]["max_position_embeddings"]
    sd = to_orig_state(it.state_dict(), mp)
    sd.update({k: v for k, v in to_orig_state({k: v for k, v in ca.state_dict().items() if k.startswith("text_decoder.")}, mp).items()})
    sd.update(momentum_copy(sd, 0.05, ["visual_encoder", "vision_proj", "text_encoder", "text_proj"]))
    sd.update(queues(spec["proj"], 24, idx=False))
    os.makedirs(out_dir, exist_ok=True)
    torch.save({"model": sd, "optimizer": {"state": {}, "param_groups": [{"lr": 3e-4}]}, "config": {"vit": "base", "image_size": 32}, "epoch": 19},
               f"{out_dir}/pretrain.pth")
    g = torch.Generator().manual_seed(5000 + seed)
    S = spec["vision"]["image_size"]; B = 4
    pv = torch.randn(B, 3, S, S, generator=g)
    ids, mask = rows([9, 6, 7, 5], CLS, g, pad_to=10)
    ide, idd = ids.clone(), ids.clone(); ide[:, 0] = ENC; idd[:, 0] = DEC
    img = it.vision_model(pixel_values=pv).last_hidden_state
    txt = it.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    iat = torch.ones(img.shape[:-1], dtype=torch.long)
    mm = it.text_encoder(input_ids=ide, attention_mask=mask, encoder_hidden_states=img, encoder_attention_mask=iat).last_hidden_state
    o = {"pixel_values": pv, "input_ids": ids, "attention_mask": mask, "features.image": img, "features.text": txt, "features.multimodal": mm}
    o["itm_pos.logits"] = it.itm_head(mm[:, 0])
    fi = F.normalize(it.vision_proj(img[:, 0]), dim=-1); ft = F.normalize(it.text_proj(txt[:, 0]), dim=-1)
    o["image_feat"], o["text_feat"] = fi, ft
    # momentum branch + ITA loss (alpha 0.4), momentum weights used as stored (i.e. AFTER the EMA update of the step)
    itm_ = copy.deepcopy(it)
    load = {}
    for k in it.state_dict():
        if k.endswith("position_ids") or k.startswith("itm_head"):
            continue
        ok = hf_to_orig(k); h, r = ok.split(".", 1)
        load[k] = sd[h + "_m." + r]
    itm_.load_state_dict(load, strict=False)
    with torch.no_grad():
        im_m = itm_.vision_model(pixel_values=pv).last_hidden_state
        fim = F.normalize(itm_.vision_proj(im_m[:, 0]), dim=-1)
        ftm = F.normalize(itm_.text_proj(itm_.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]), dim=-1)
        o["image_feat_m"], o["text_feat_m"] = fim, ftm
        T, alpha = sd["temp"].clone(), 0.4
        ia = torch.cat([fim.t(), sd["image_queue"]], 1); ta = torch.cat([ftm.t(), sd["text_queue"]], 1)
        tgt = torch.zeros(B, ia.shape[1]); tgt.fill_diagonal_(1)
        t_i2t = alpha * F.softmax(fim @ ta / T, 1) + (1 - alpha) * tgt
        t_t2i = alpha * F.softmax(ftm @ ia / T, 1) + (1 - alpha) * tgt
    T.requires_grad_(True)
    s_i2t, s_t2i = fi @ ta / T, ft @ ia / T
    o["sim_i2t"], o["sim_t2i"] = s_i2t, s_t2i
    o["loss_ita"] = (-(F.log_softmax(s_i2t, 1) * t_i2t).sum(1).mean() - (F.log_softmax(s_t2i, 1) * t_t2i).sum(1).mean()) / 2
    # ITM loss with GIVEN negatives (the original samples them from softmax(sim)+1e-4, diagonal zeroed)
    ni, nt = torch.tensor([1, 2, 3, 0]), torch.tensor([2, 3, 0, 1])
    o["neg_image_idx"], o["neg_text_idx"] = ni, nt
    w = F.softmax(s_t2i[:, :B], 1) + 1e-4; w = w - torch.diag(torch.diag(w)); o["weights_t2i"] = w
    w = F.softmax(s_i2t[:, :B], 1) + 1e-4; w = w - torch.diag(torch.diag(w)); o["weights_i2t"] = w
    neg = it.text_encoder(input_ids=torch.cat([ide, ide[nt]]), attention_mask=torch.cat([mask, mask[nt]]),
                          encoder_hidden_states=torch.cat([img[ni], img]), encoder_attention_mask=torch.cat([iat, iat])).last_hidden_state
    vl = it.itm_head(torch.cat([mm[:, 0], neg[:, 0]]))
    lab = torch.cat([torch.ones(B, dtype=torch.long), torch.zeros(2 * B, dtype=torch.long)])
    o["itm.all_logits"], o["loss_itm"] = vl, F.cross_entropy(vl, lab)
    ca.text_decoder.label_smoothing = 0.1
    o["loss_lm"] = ca.text_decoder(input_ids=idd, attention_mask=mask, encoder_hidden_states=img, encoder_attention_mask=iat,
                                   labels=idd.masked_fill(idd == PAD, -100)).loss
    ca.text_decoder.label_smoothing = 0.0
    torch.save({"model": pretrain_grads(it, ca, T, o["loss_ita"] + o["loss_itm"] + o["loss_lm"], mp)}, f"{out_dir}/pretrain_grads.pth")
    json.dump({"alpha": 0.4, "note": "vision LN eps 1e-5; loss_ita uses the stored *_m weights directly", "text": spec["text"], "vision": spec["vision"],
               "tensors": save(f"{out_dir}/pretrain_ref.safetensors", o)}, open(f"{out_dir}/pretrain_meta.json", "w"), indent=1)
    return sd, o


def pretrain_grads(it, ca, temp, loss, max_positions):
    """d loss / d every learned tensor under the original names; what reading and writing share has the sum of both parts."""
    loss.backward()
    grad = lambda p: torch.zeros_like(p) if p.grad is None else p.grad
    gi = {k: grad(p) for k, p in it.named_parameters(remove_duplicate=False)}
    gc = {k: grad(p) for k, p in ca.named_parameters(remove_duplicate=False) if k.startswith("text_decoder.")}
    for k in [k for k in gi if k.startswith("text_encoder.") and ".attention." not in k]:
        twin = k.replace("text_encoder.", "text_decoder.bert.", 1)
        if twin in gc:
            gi[k] = gc[twin] = gi[k] + gc[twin]
    gc["text_decoder.cls.predictions.decoder.weight"] = gi["text_encoder.embeddings.word_embeddings.weight"]
    d = to_orig_state(gi, max_positions)
    d.update(to_orig_state(gc, max_positions))
    d["temp"] = temp.grad
    return d


def write_mapping(path, heads):
    """heads: {label: (hf state_dict, orig state_dict)}"""
    lines = ["head\thf_name\toriginal_name\tshape\tdtype\tnote"]
    for label, (hf, orig) in heads.items():
        seen = set()
        for k, v in hf.items():
            if k.endswith("position_ids"):
                continue
            ok = hf_to_orig(k)
            assert ok in orig and orig[ok].shape == v.shape, k
            seen.add(ok)
            note = ""
            if k.endswith("cls.predictions.decoder.weight"): note = "tied to ...embeddings.word_embeddings.weight; absent from HF safetensors"
            if k.endswith("cls.predictions.decoder.bias"): note = "tied to ...cls.predictions.bias; absent from HF safetensors"
            lines.append(f"{label}\t{k}\t{ok}\t{list(v.shape)}\t{v.dtype}\t{note}")
        for ok, v in orig.items():
            if ok not in seen:
                note = ("buffer, ignore" if ok.endswith("position_ids") else "momentum copy, ignore for inference" if "_m." in ok else "training state")
                lines.append(f"{label}\t-\t{ok}\t{list(v.shape)}\t{v.dtype}\t{note}")
    open(path, "w").write("\n".join(lines) + "\n")


def main_tiny(out, a):
    C, co, cmeta = caption(f"{out}/tiny_caption", TINY, 0, a.cap_bias, data_seed=1020)
    V, vo, vmeta = vqa(f"{out}/tiny_vqa", TINY, 0, a.vqa_bias)
    I, io, imeta = itm(f"{out}/tiny_itm", TINY, 0)
    Cw, cwo, cwmeta = caption(f"{out}/tiny_wide_caption", TINY_WIDE, 1, a.wide_bias, data_seed=1025)
    Iw, _, iwmeta = itm(f"{out}/tiny_wide_itm", TINY_WIDE, 1)
    N, no, nsd = nlvr(f"{out}/tiny_nlvr", TINY_WIDE, merge_from=6, layers=7)      # as the original: layers 0-5 average, 6+ merge
    dialog(f"{out}/tiny_dialog", I, TINY, 0)
    dialog(f"{out}/tiny_wide_dialog", Iw, TINY_WIDE, 1)
    od = f"{out}/orig"; os.makedirs(od, exist_ok=True)
    mp = TINY["text"]["max_position_embeddings"]
    oc, ov, oi = (to_orig_state(x.state_dict(), mp) for x in (C, V, I))
    oi.update(momentum_copy(oi, 0.05, ["visual_encoder", "vision_proj", "text_encoder", "text_proj"]))
    oi.update(queues(TINY["proj"], 24))
    torch.save({"model": oc}, f"{od}/caption.pth")
    torch.save({"model": ov}, f"{od}/vqa.pth")
    torch.save({"model": oi}, f"{od}/retrieval.pth")
    psd, po = pretrain_like(od, TINY, 0)
    write_mapping(f"{out}/KEY_MAPPING.tsv", {"caption": (C.state_dict(), oc), "vqa": (V.state_dict(), ov), "retrieval": (I.state_dict(), oi)})
    with open(f"{out}/NLVR_KEYS.tsv", "w") as f:
        f.write("original_name\tshape_tiny_wide\n" + "".join(f"{k}\t{list(v.shape)}\n" for k, v in nsd.items()))
    with open(f"{out}/PRETRAIN_KEYS.tsv", "w") as f:
        f.write("original_name\tshape_tiny\n" + "".join(f"{k}\t{list(v.shape)}\n" for k, v in psd.items()))
    for n, o_, me in (("caption", co, cmeta), ("wide_caption", cwo, cwmeta), ("vqa", vo, vmeta)):
        print("==", n, me["max_abs_f32_minus_f64"])
        for k in sorted(o_):
            if k.startswith("gen") and k.endswith(".ids"):
                nm = k[4:-4] if k.startswith("gen.") else k[:-4]
                print(f"  {nm:28s} margin={me['generation'].get(nm, {}).get('min_margin', float('nan')):.4g}")
                for r in o_[k].tolist(): print("     ", r)
    print("vqa rank best", vo["rank.best"].tolist(), vo["rank.topk_ids"].tolist(), vo["rank.log_probs_sum"].tolist(), vmeta["rank_min_margin"])
    print("itm", io["itm.logits"].tolist(), io["itm_enc.logits"].tolist(), "itc", io["itc.scores"].tolist(), imeta["max_abs_f32_minus_f64"])
    print("nlvr", no["logits"].tolist(), no["logits_swapped"].tolist(), "pretrain losses", [po[k].item() for k in ("loss_ita", "loss_itm", "loss_lm")])
    for k in co:
        if k.startswith("loss"): print("  cap", k, co[k].tolist())
    for k in vo:
        if k.startswith("loss"): print("  vqa", k, vo[k].tolist())


def main_base(a):
    torch.set_num_threads(a.threads)
    pv = torch.randn(1, 3, 384, 384, generator=torch.Generator().manual_seed(0))
    for cls in (BlipForConditionalGeneration, BlipForQuestionAnswering, BlipForImageTextRetrieval):
        t = time.time(); m = build(cls, BASE, 0); tb = time.time() - t
        ids = torch.tensor([[101, 2129, 2116, 8870, 2024, 2045, 102]])
        with torch.no_grad():
            t = time.time()
            r = m(input_ids=ids, pixel_values=pv) if cls is BlipForImageTextRetrieval else m.generate(pixel_values=pv, max_length=12, **({"input_ids": ids} if cls is BlipForQuestionAnswering else {}))
            print(cls.__name__, sum(p.numel() for p in m.parameters()), f"params, build {tb:.1f}s, run {time.time()-t:.2f}s", r if torch.is_tensor(r) else r.itm_score)
        if a.save_base and cls is BlipForConditionalGeneration:
            os.makedirs(a.save_base, exist_ok=True)
            m.config.save_pretrained(a.save_base)
            save_file({k: v.detach().clone().contiguous() for k, v in m.state_dict().items()}, f"{a.save_base}/model.safetensors")  # keeps decoder.weight (candle wants it)
            with torch.no_grad():
                ve = m.vision_model(pixel_values=pv).last_hidden_state
                lg = m.text_decoder(input_ids=torch.tensor([[30522, 1037, 3861, 1997]]), encoder_hidden_states=ve).logits
                gi = m.generate(pixel_values=pv, max_new_tokens=20)
            save(f"{a.save_base}/ref.safetensors", {"pixel_values": pv, "vision": ve, "logits": lg, "greedy": gi})
            print("saved base", gi.tolist())
        del m


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", default="fixtures")
    ap.add_argument("--size", default="tiny", choices=["tiny", "base"])
    ap.add_argument("--save-base", default=None)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--cap-bias", type=float, default=2.0)
    ap.add_argument("--vqa-bias", type=float, default=3.0)
    ap.add_argument("--wide-bias", type=float, default=3.0)
    a = ap.parse_args()
    main_tiny(a.out, a) if a.size == "tiny" else main_base(a)
