"""`python -m gitagent`."""

from gitagent.cli.main import main

raise SystemExit(main())
