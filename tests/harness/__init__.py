"""What several suites share: cases, clients of the servers, stop points, readers. `outside` imports no Switchyard."""
