"""The lab: experiment -> plan -> build -> run -> measure -> judge -> report, one folder a step."""
