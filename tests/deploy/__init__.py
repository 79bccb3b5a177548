"""What operators are given: rules, boards, containers, manifests."""
