from hypothesis import given
from hypothesis import strategies as st

from tierfold.memory.hierarchy.tenants import PerTenant
from tierfold.memory.policies import Lru


def shared(bytes_max: int, share: float) -> PerTenant:
    return PerTenant(bytes_max, share_max=share, tenant_of=lambda key: str(key)[0], build=Lru)


def test_whoever_holds_the_most_gives_way() -> None:
    """Where the quotas add up to more than there is, the small tenant keeps what it has."""
    policy = shared(100, 0.8)
    for number in range(8):
        policy.access(f"a{number}", 10)
    for number in range(4):
        policy.access(f"b{number}", 10)

    assert (policy.tenant_bytes("a"), policy.tenant_bytes("b")) == (60, 40)
    assert policy.evicted == [("a0", 10), ("a1", 10)]
    assert list(policy.in_order())[:2] == ["a2", "a3"]
    assert (policy.bytes_max, policy.quota_bytes, len(policy)) == (100, 80, 10)


def test_what_is_larger_than_a_quota_is_let_go_at_once() -> None:
    """And a tenant that has nothing is forgotten."""
    policy = shared(100, 0.5)
    assert not policy.admits("c", 60)
    policy.access("c", 60)

    assert policy.evicted == [("c", 60)]
    assert (policy.size_bytes, len(policy), policy.tenant_bytes("c")) == (0, 0, 0)
    assert policy.remove("nobody") == 0


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["access", "remove", "resize"]), st.integers(0, 40)), max_size=60
    )
)
def test_nothing_is_lost_and_no_limit_passed(steps: list[tuple[str, int]]) -> None:
    """What came in is here or was let go; each tenant and all together keep their limits."""
    policy = shared(50, 0.6)
    held: set[str] = set()
    for verb, number in steps:
        key = f"{number % 3}-{number}"
        if verb == "access":
            assert policy.access(key, number) == (key in held)
            held.add(key)
        elif verb == "remove":
            assert (policy.remove(key) > 0) == (key in held)
            held.discard(key)
        else:
            policy.resize(number * 2)
        held -= {key for key, _ in policy.evicted}
        policy.evicted.clear()
        assert set(policy.in_order()) == held
        assert all(key in policy for key in held)
        assert policy.size_bytes <= policy.bytes_max
        assert all(policy.tenant_bytes(name) <= policy.quota_bytes for name in "012")
