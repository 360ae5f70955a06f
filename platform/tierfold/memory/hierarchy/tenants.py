"""One level shared by tenants: each has an order of its own and a most that it may hold."""

from collections.abc import Callable, Iterator
from itertools import chain

from tierfold.memory.hierarchy.selective import Selective
from tierfold.memory.policies import Key, Policy

TenantOf = Callable[[Key], str]


class PerTenant:
    """A policy made of one per tenant; nobody's reads push out what another one holds.

    Where the shares add up to more than the level, whoever holds the most gives way.
    """

    def __init__(
        self,
        bytes_max: int,
        *,
        share_max: float,
        tenant_of: TenantOf,
        build: Callable[[int], Policy],
    ) -> None:
        self._bytes_max = bytes_max
        self._share_max = share_max
        self._tenant_of = tenant_of
        self._build = build
        self._tenants: dict[str, Policy] = {}
        self._size_bytes = 0
        self.evicted: list[tuple[Key, int]] = []

    @property
    def bytes_max(self) -> int:
        """The most that all hold together."""
        return self._bytes_max

    @property
    def size_bytes(self) -> int:
        """What all hold together."""
        return self._size_bytes

    @property
    def quota_bytes(self) -> int:
        """The most that one tenant holds."""
        return int(self._bytes_max * self._share_max)

    def tenant_bytes(self, tenant: str) -> int:
        """Return what one tenant holds."""
        policy = self._tenants.get(tenant)
        return 0 if policy is None else policy.size_bytes

    def access(self, key: Key, size_bytes: int) -> bool:
        """Note an access in its tenant's order."""
        tenant = self._tenant_of(key)
        policy = self._tenants.get(tenant)
        if policy is None:
            policy = self._tenants[tenant] = self._build(self.quota_bytes)
        before = policy.size_bytes
        is_hit = policy.access(key, size_bytes)
        self._gather(policy, before)
        self._settle()
        self._dismiss(tenant)
        return is_hit

    def admits(self, key: Key, size_bytes: int) -> bool:
        """Return whether a key's tenant has room, or would put it above its own last."""
        policy = self._tenants.get(self._tenant_of(key))
        if isinstance(policy, Selective):
            return policy.admits(key, size_bytes)
        return size_bytes <= self.quota_bytes

    def remove(self, key: Key) -> int:
        """Take a key out of its tenant's order."""
        tenant = self._tenant_of(key)
        policy = self._tenants.get(tenant)
        size = policy.remove(key) if policy is not None else 0
        self._size_bytes -= size
        self._dismiss(tenant)
        return size

    def resize(self, bytes_max: int) -> None:
        """Change the limit, and every tenant's with it."""
        self._bytes_max = bytes_max
        for tenant in list(self._tenants):
            self._shrink(tenant, self.quota_bytes)
        self._settle()

    def in_order(self) -> Iterator[Key]:
        """Yield all keys, tenant by tenant, those of the largest first."""
        ordered = sorted(self._tenants.values(), key=lambda each: -each.size_bytes)
        return chain.from_iterable(policy.in_order() for policy in ordered)

    def __contains__(self, key: object) -> bool:
        return any(key in policy for policy in self._tenants.values())

    def __len__(self) -> int:
        return sum(map(len, self._tenants.values()))

    def _settle(self) -> None:
        """Let whoever holds the most give way until all fit."""
        while (excess := self._size_bytes - self._bytes_max) > 0:
            tenant = max(self._tenants, key=self.tenant_bytes)
            held = self.tenant_bytes(tenant)
            self._shrink(tenant, held - min(excess, held))

    def _shrink(self, tenant: str, bytes_max: int) -> None:
        """Make a tenant fit into so much, once."""
        policy = self._tenants[tenant]
        before = policy.size_bytes
        policy.resize(bytes_max)
        policy.resize(self.quota_bytes)
        self._gather(policy, before)
        self._dismiss(tenant)

    def _gather(self, policy: Policy, before_bytes: int) -> None:
        self._size_bytes += policy.size_bytes - before_bytes
        self.evicted += policy.evicted
        policy.evicted.clear()

    def _dismiss(self, tenant: str) -> None:
        """Forget a tenant of which nothing is here: there may be many over time."""
        policy = self._tenants.get(tenant)
        if policy is not None and not len(policy):
            del self._tenants[tenant]
