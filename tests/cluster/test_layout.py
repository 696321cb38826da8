from tests.cluster.layout import MOST, Layout


def test_no_two_clusters_share_a_name_or_an_address() -> None:
    every = [Layout.numbered(number) for number in range(MOST)]
    for name in ("root", "bridge", "bridge_mac", "subnet", "address", "inner_address", "cgroup"):
        assert len({getattr(layout, name) for layout in every}) == MOST


def test_no_cluster_lies_in_the_folder_of_another() -> None:
    first, second = Layout.numbered(0), Layout.numbered(1)
    assert not second.root.is_relative_to(first.root)


def test_a_bridge_has_a_name_that_linux_takes() -> None:
    assert len(Layout.numbered(MOST - 1).bridge) <= 15
