"""A worker as a process of its own, with its settings from the environment: `python -m fewfit.service`."""

import logging
import sys

from fewfit.service.supervisor import LIFELINE
from fewfit.service.worker import run_worker
from fewfit.settings import Settings

if __name__ == "__main__":
    settings = Settings.load()
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    run_worker(settings, lifeline=LIFELINE in sys.argv)
