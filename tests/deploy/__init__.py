"""Tests of the deployment files: rules, boards, containers, manifests."""
