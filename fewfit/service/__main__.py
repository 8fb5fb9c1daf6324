"""A worker as a process of its own, with its settings from the environment: `python -m fewfit.service`."""

import sys

from fewfit.logs import log_as_json
from fewfit.service.jobs.supervisor import LIFELINE
from fewfit.service.jobs.worker import run_worker
from fewfit.settings import Settings

if __name__ == "__main__":
    settings = Settings.load()
    log_as_json(settings.log_level)
    run_worker(settings, lifeline=LIFELINE in sys.argv)
