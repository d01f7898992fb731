"""What each reader is told, and how it tells what it found."""

import json
import os
import sys

# The simulator's first tenant: authority, graph, id, clientId, clientSecret.
TENANT = json.loads(os.environ["TENANT"])
SELECT = ["id", "userPrincipalName", "assignedLicenses"]


class Found:
    """The users that a reader was given, by their ids."""

    def __init__(self):
        self.users = {}

    def add(self, user, licences):
        self.users[user] = bool(licences)

    def tell(self, error):
        """Ends the process; `error` is what the reader's user was told, or None."""
        licensed = sum(self.users.values())
        told = {"count": len(self.users), "licensed": licensed, "error": error}
        print(json.dumps(told))
        sys.exit(1 if error else 0)
