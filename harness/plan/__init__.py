"""Plans: which run happens when, decided before anything runs and from the seed alone."""

from harness.plan.balance import order_balance, williams_orders
from harness.plan.plan import blocks_until, make_plan, plan_key

__all__ = ["blocks_until", "make_plan", "order_balance", "plan_key", "williams_orders"]
