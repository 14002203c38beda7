"""What tells a task's code and model from others, the same on every machine and every supported version."""

from metaopt.contracts.fingerprints.code_identity import Part, identity
from metaopt.contracts.fingerprints.digests import digest, tensor_identity
from metaopt.contracts.fingerprints.structure import structure

__all__ = ["Part", "digest", "identity", "structure", "tensor_identity"]
