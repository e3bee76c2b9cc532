from tidings.channels.words import without_addresses


def test_addresses_and_line_breaks_are_left_out() -> None:
    assert without_addresses("5.1.1 <a@example.com>:\nunknown\x00 żółć@example.com") == (
        "5.1.1 <(address)>: unknown (address)"
    )


def test_what_is_to_be_hidden_is_left_out() -> None:
    assert without_addresses("no such number +48123, token t0k", "+48123", None, "t0k") == (
        "no such number (hidden), token (hidden)"
    )


def test_a_vendor_s_novel_is_cut_short() -> None:
    assert len(without_addresses("word " * 1000)) == 300
