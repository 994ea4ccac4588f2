"""Runs the checks of a client library, each a line of JSON with its name and its failure."""

import json
import traceback


def run(checks, client):
    """Runs all checks; a failed one does not end the run."""
    for function in checks:
        error = None
        try:
            function(client)
        except Exception:  # whatever it is, it is this check's outcome
            error = traceback.format_exc()
        print(json.dumps({"name": function.__doc__, "error": error}), flush=True)
