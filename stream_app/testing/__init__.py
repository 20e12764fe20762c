"""One fake of each port, in memory: for our tests and benchmarks, and for tests of whoever extends the system.

models    FakeModel, AnsweringModel     ports.TextModel
embedder  FakeEmbedder                  ports.Embedder
explainer FakeExplainer                 ports.Explainer
kafka     FakeAcks                      ports.Acks
          FakePublisher                 ports.Publisher
          FakeAlertHistory              ports.AlertHistory
store     MemorySummaryStore            ports.SummaryStore, with the rules of the real one
reader    CannedSummaryReader           ports.SummaryReader, with summaries and alerts that the test made

The product never imports this package.
"""
