"""What each reader is told, and how it tells what it found."""

import json
import os
import sys

# The simulator's first tenant: authority, graph, id, clientId, clientSecret.
TENANT = json.loads(os.environ["TENANT"])
SELECT = ["id", "userPrincipalName", "assignedLicenses"]


class Found:
    """The users that a reader was given."""

    def __init__(self):
        self.count = self.licensed = 0

    def add(self, licences):
        self.count += 1
        self.licensed += bool(licences)

    def tell(self, error):
        """Ends the process; `error` is what the reader's user was told, or None."""
        told = {"count": self.count, "licensed": self.licensed, "error": error}
        print(json.dumps(told))
        sys.exit(1 if error else 0)
