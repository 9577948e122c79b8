"""Gold labels, and what is learnt from them while the service runs.

`types` is the vocabulary, light enough for a client; `ledger` records, fits and answers;
`book` is what is in force, as scoring reads it; `audits` has a share of the samples judged
again. Nothing here knows gRPC or protobuf.
"""
