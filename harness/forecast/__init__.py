"""What a plan will take and be able to find, from what its lanes showed in earlier runs."""

from harness.forecast.past import Past, look_back
from harness.forecast.power import Forecast, forecast
from harness.forecast.text import forecast_json, forecast_text, forecast_warnings

__all__ = ["Forecast", "Past", "forecast", "forecast_json", "forecast_text", "forecast_warnings", "look_back"]
