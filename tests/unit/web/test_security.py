from tidings.web.security import mail_response, page_response


def test_links_of_a_mail_open_outside_and_its_doctype_stays_first() -> None:
    html = mail_response("<!doctype html><html><HEAD lang='en'><title>x</title>").body

    assert html == (
        b"<!doctype html><html><HEAD lang='en'><base target=\"_blank\"><title>x</title>"
    )


def test_a_mail_without_a_head_is_shown_all_the_same() -> None:
    assert mail_response("<p>Hello</p>").body == b'<base target="_blank"><p>Hello</p>'


def test_a_mail_may_not_run_or_fetch_anything() -> None:
    policy = mail_response("").headers["content-security-policy"]

    assert policy.startswith("sandbox allow-popups")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy


def test_our_pages_allow_nothing_inline() -> None:
    headers = page_response("").headers

    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
