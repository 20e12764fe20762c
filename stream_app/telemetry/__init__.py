"""One function per event, named in the past tense: its log line and its metric. A module per family of events.

Everything is called as ``telemetry.event(…)``.
"""

from stream_app.telemetry.api import *
from stream_app.telemetry.deliveries import *
from stream_app.telemetry.dependencies import *
from stream_app.telemetry.kafka import *
from stream_app.telemetry.logs import *
from stream_app.telemetry.models import *
from stream_app.telemetry.reviews import *
from stream_app.telemetry.series import *
