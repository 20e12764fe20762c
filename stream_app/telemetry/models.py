"""Events of models, and of the process that isolates poison-pill candidates."""

from __future__ import annotations

from prometheus_client import Counter

from stream_app.telemetry.logs import log

_tokens = Counter("stream_app_model_tokens_total", "Tokens computed, padding included", ["model"])
_padding = Counter(
    "stream_app_model_padding_tokens_total", "Tokens computed, or their worth in attention, that are padding", ["model"]
)
_texts = Counter("stream_app_model_texts_total", "Texts that a model answered", ["model"])
_cache_hits = Counter("stream_app_model_known_texts_total", "Texts whose result came from the cache", ["model"])
_busy = Counter("stream_app_model_busy_seconds_total", "Seconds that a model computed", ["model"])
_isolated_deaths = Counter("stream_app_isolated_process_deaths_total", "Deaths of processes that try candidates")
_candidates_passed = Counter("stream_app_candidates_passed_total", "Reviews in flight at a death that were cleared")


def micro_batch_computed(model: str, texts: int, tokens: float, padding: float, seconds: float) -> None:
    _texts.labels(model).inc(texts)
    _tokens.labels(model).inc(tokens)
    _padding.labels(model).inc(padding)
    _busy.labels(model).inc(seconds)


def results_came_from_cache(model: str, texts: int) -> None:
    _cache_hits.labels(model).inc(texts)


def model_was_not_pinned(name: str, revision: str) -> None:
    log.warning(
        "model_was_not_pinned", model=name, hint=f"name it {name}@{revision}: else the next start may load another"
    )


def encoder_is_missing(language: str, what: str) -> None:
    log.warning(
        "encoder_is_missing",
        language=language,
        what=what,
        effect="texts of products in this language are chosen by shared words",
    )


def backend_was_refused(model: str, backend: str, error: str) -> None:
    log.warning(
        "backend_was_refused",
        model=model,
        backend=backend,
        error=error[:500],
        next_step="none: another one is used; report it with the processor's name",
    )


def device_memory_ran_out(model: str, micro_batch_tokens: int) -> None:
    log.warning("device_memory_ran_out", model=model, micro_batch_tokens_from_now_on=micro_batch_tokens)


def models_are_loaded(role: str, **models: str) -> None:
    """Before it: half a minute without a line looks like a hang."""
    log.info(
        "models_are_loaded",
        role=role,
        **models,
        next_step="none: it takes half a minute or so, minutes where backends are measured or models downloaded first",
    )


def isolation_began(candidates: int) -> None:
    log.info("isolation_began", candidates=candidates)


def isolated_process_died(why: str, held: int, left: int) -> None:
    _isolated_deaths.inc()
    next_step = "none: another one starts"
    log.warning("isolated_process_died", why=why, texts=held, candidates_left=left, next_step=next_step)


def isolated_process_failed(why: str) -> None:
    log.error("isolated_process_failed", why=why)


def isolation_was_impossible(why: str) -> None:
    log.error(
        "isolation_was_impossible",
        why=why,
        next_step="give the worker memory for a second copy of the classifier; until then candidates are computed one "
        "by one, and everything else waits for them",
    )


def candidates_passed(count: int) -> None:
    _candidates_passed.inc(count)
