"""Tests of hz3-runner; they need a build."""
