"""`stream-app topics`: create or list the topics."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from stream_app.commands.options import Brokers, TopicPrefix, settings_from

app = typer.Typer(no_args_is_help=True, help="The topics of the system.")
console = Console()


@app.command()
def create(brokers: Brokers = None, topic_prefix: TopicPrefix = None) -> None:
    """Create what is missing, and repair the configuration of existing topics where that only widens it:
    max.message.bytes, min.insync.replicas with three copies or more, compaction of products.summaries within a day.

    Partitions and replication are never changed. What else is wrong is printed with the command that changes it.
    """
    from stream_app.kafka.topic_check import repair_topics
    from stream_app.kafka.topics_admin import create_topics

    settings = settings_from(brokers=brokers, topic_prefix=topic_prefix)
    for name, created in create_topics(settings).items():
        console.print(f"{'created' if created else 'exists '}  {name}", soft_wrap=True)
    repaired, left = repair_topics(settings)
    for finding in repaired:
        console.print(f"repaired  {finding.topic}: {finding.setting}={finding.wanted}", soft_wrap=True)
    for finding in left:
        console.print(f"[yellow]not changed[/yellow]  {finding.message(settings.brokers)}", soft_wrap=True)


@app.command(name="list")
def list_(brokers: Brokers = None, topic_prefix: TopicPrefix = None) -> None:
    """Partitions and the number of messages of each topic."""
    from stream_app.kafka.topics_admin import list_topics

    table = Table("topic", "partitions", "messages", "retention")
    for topic in list_topics(settings_from(brokers=brokers, topic_prefix=topic_prefix)):
        table.add_row(topic.name, str(topic.partitions), str(topic.messages), topic.retention)
    console.print(table)
