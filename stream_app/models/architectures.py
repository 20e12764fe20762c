"""The architectures (``config.model_type``) that the packed and CTranslate2 encoders support."""

from __future__ import annotations

BERTS = ("bert",)
"""Their head reads a pooler's output."""
ROBERTAS = ("roberta", "xlm-roberta", "camembert")
"""Their positions begin behind the padding id; the head reads the first token as the encoder leaves it."""
PACKABLE = (*BERTS, *ROBERTAS)
"""Those whose classifiers can be packed or given to CTranslate2."""
