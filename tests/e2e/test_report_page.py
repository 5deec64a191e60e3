"""The pages of `radar-pod report` in headless Chromium: they draw, zoom, tell the values under the pointer, know
dark and print, and neither fetch anything nor complain."""

import base64
import json
import shutil
import time

import pytest

from test_cli import DONE, run, server
from test_report import HOSTILE, crowd, reported
from test_trace import FLOW, HEADER, traced

__all__ = ["reported", "server", "traced"] # fixtures

webdriver = pytest.importorskip("selenium.webdriver", reason="python3-selenium is not installed")
from selenium.webdriver.common.action_chains import ActionChains # noqa: E402
from selenium.webdriver.common.by import By # noqa: E402
from selenium.webdriver.common.keys import Keys # noqa: E402
from selenium.webdriver.chrome.service import Service # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="chromium and its driver are not installed")

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--force-device-scale-factor=1", "--window-size=1200,1000"]

CHARTS = ["rate", "rtt", "cwnd", "again", "limits", "cdf"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service(DRIVER), options=options)
    yield driver
    driver.quit()


def media(browser, scheme="light", kind="screen"):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "media": kind, "features": [{"name": "prefers-color-scheme", "value": scheme}]})


def size(browser, width, height=1000):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})


def settle(browser):
    """Until what the page does of itself is drawn: a moment, and two frames however long these take."""
    time.sleep(0.3)
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


def requests(browser):
    """What was asked for, of whomever."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def complaints(browser):
    """What the console says, but for what reading a canvas back brings about, which is this test's doing."""
    return [entry for entry in browser.get_log("browser") if "getImageData" not in entry["message"]]


def opened(browser, path):
    media(browser)
    size(browser, 1200)
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(f"file://{path}")
    return browser


@pytest.fixture
def shown(browser, reported, tmp_path):
    (tmp_path / "page.html").write_text(reported[0])
    return opened(browser, tmp_path / "page.html")


def painted(browser, chart):
    """How many pixels of a chart are not transparent, and how many colours they have."""
    return browser.execute_script("""
        let pixels = 0; const colours = new Set();
        for (const c of document.querySelectorAll('#chart-' + arguments[0] + ' canvas')) {
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            for (let i = 0; i < d.length; i += 4)
                if (d[i + 3] > 0) { pixels++; colours.add((d[i] << 16) + (d[i + 1] << 8) + d[i + 2]); }
        }
        return [pixels, colours.size];""", chart)


def drawn_charts(browser):
    return [c for c in CHARTS if browser.find_elements(By.CSS_SELECTOR, f"#chart-{c} canvas")]


def shown_time(browser):
    """From and to, in seconds, as the page says it."""
    text = browser.find_element(By.ID, "at").text
    words = text.replace("Shown: ", "").split()
    return float(words[0]), float(words[3])


def leave(browser):
    ActionChains(browser).move_to_element(browser.find_element(By.TAG_NAME, "h1")).perform()


def hover(browser, chart, share):
    """The pointer over a chart, so far from its left edge; what the charts then say."""
    plot = browser.find_element(By.CSS_SELECTOR, f"#chart-{chart} .plot")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    ActionChains(browser).move_to_element_with_offset(
        plot, int((share - 0.5) * plot.size["width"]), 0).perform()
    return {e.find_element(By.XPATH, "ancestor::figure").get_attribute("id")[6:]: e.text
            for e in browser.find_elements(By.CSS_SELECTOR, ".chart .values")}


def drag(browser, chart, begin, end):
    plot = browser.find_element(By.CSS_SELECTOR, f"#chart-{chart} .plot")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    width = plot.size["width"]
    (ActionChains(browser)
     .move_to_element_with_offset(plot, int((begin - 0.5) * width), 0).click_and_hold()
     .move_to_element_with_offset(plot, int((end - 0.5) * width), 0).release().perform())
    leave(browser)


# --- it draws ---------------------------------------------------------------------------------------------


def test_every_curve_is_drawn(shown):
    assert {"rate", "rtt", "cwnd", "limits", "cdf"} <= set(drawn_charts(shown))
    for chart in drawn_charts(shown):
        pixels, colours = painted(shown, chart)
        few = 2 if chart == "limits" else 3  # one thing may have limited all of the test
        assert pixels > 1000 and colours > few, chart


def test_nothing_is_fetched_and_nothing_complains(shown):
    hover(shown, "rate", 0.4)
    drag(shown, "rtt", 0.2, 0.6)
    shown.find_element(By.ID, "all").click()
    assert [url.split("/")[-1] for url in requests(shown)] == ["page.html"]
    assert complaints(shown) == []


def test_figures_are_visible_without_a_script(browser, reported, tmp_path):
    (tmp_path / "page.html").write_text(reported[0])
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened(browser, tmp_path / "page.html")
        text = browser.find_element(By.TAG_NAME, "body").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "scripts are switched off" in text and "Gbit/s" in text


# --- zoom ---------------------------------------------------------------------------------------------------


def test_a_drag_zooms_all_curves(shown):
    leave(shown)
    whole = shown_time(shown)
    before = {c: painted(shown, c) for c in drawn_charts(shown)}
    drag(shown, "rtt", 0.3, 0.5)
    begin, end = shown_time(shown)
    width = whole[1] - whole[0]
    assert end - begin == pytest.approx(width * 0.2, rel=0.15) and begin > whole[0] + width * 0.15
    assert sum(before[c] != painted(shown, c) for c in before) >= 3
    plot = shown.find_element(By.CSS_SELECTOR, "#chart-rate .plot")
    ActionChains(shown).double_click(plot).perform()
    leave(shown)
    assert shown_time(shown) == whole


def test_buttons_and_keys_zoom_and_pan(shown):
    leave(shown)
    whole = shown_time(shown)
    shown.find_element(By.ID, "in").click()
    leave(shown)
    half = shown_time(shown)
    assert half[1] - half[0] == pytest.approx((whole[1] - whole[0]) / 2, abs=0.002)
    shown.find_element(By.ID, "later").click()
    leave(shown)
    assert shown_time(shown)[0] > half[0]
    charts = shown.find_element(By.ID, "charts")
    charts.send_keys("+")
    quarter = shown_time(shown)
    assert quarter[1] - quarter[0] == pytest.approx((whole[1] - whole[0]) / 4, abs=0.002)
    charts.send_keys("0")
    assert shown_time(shown) == whole


def test_keys_move_the_pointer(shown):
    leave(shown)
    charts = shown.find_element(By.ID, "charts")
    charts.send_keys(Keys.ARROW_RIGHT)
    first = shown.find_element(By.ID, "at").text
    charts.send_keys(Keys.ARROW_RIGHT)
    second = shown.find_element(By.ID, "at").text
    assert "since the trace began" in first and first != second
    charts.send_keys(Keys.ESCAPE)
    assert "Shown:" in shown.find_element(By.ID, "at").text


def test_a_connection_can_be_hidden(shown):
    before = painted(shown, "rate")
    button = shown.find_elements(By.CSS_SELECTOR, "#flows button")[0]
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert painted(shown, "rate")[0] < before[0]
    assert "download" not in hover(shown, "rate", 0.25)["rate"]
    button.click()
    leave(shown)
    assert painted(shown, "rate") == before


# --- values under the pointer ---------------------------------------------------------------------------------


def test_values_show_under_the_pointer_on_all_curves(shown):
    said = hover(shown, "rate", 0.8)
    assert "upload" in said["rate"] and "bit/s" in said["rate"]
    assert "smoothed" in said["rtt"] and " ms" in said["rtt"]
    assert "cwnd" in said["cwnd"] and " seg" in said["cwnd"]
    assert "%" in said["limits"]
    leave(shown)
    assert shown.find_element(By.CSS_SELECTOR, "#chart-rate .values").text == ""


def test_the_distribution_tells_its_share(shown):
    assert "% ≤" in hover(shown, "cdf", 0.7)["cdf"]


def peaked(path):
    """Ten seconds at 8 Mbit/s, a sample each millisecond; one of them, at 5 s, with an RTT of a second."""
    lines = [HEADER, FLOW]
    for ms in range(10001):
        lines.append(json.dumps({"at_ns": ms * 1_000_000, "flow": 1, "event": "ack",
                                 "srtt_us": 1_000_000 if ms == 5000 else 20_000,
                                 "bytes_acked": 1000 * ms, "bytes_received": 0}) + "\n")
    lines.append('{"record":"end","samples":10001}\n')
    path.write_text("".join(lines))


def test_a_peak_of_one_sample_is_seen_and_told(browser, tmp_path):
    peaked(tmp_path / "t")
    assert run("report", str(tmp_path / "t"), "-o", str(tmp_path / "page.html")).returncode == DONE
    opened(browser, tmp_path / "page.html")
    plot = browser.find_element(By.CSS_SELECTOR, "#chart-rtt .plot")
    box = browser.execute_script("const b = arguments[0].querySelector('canvas').getBoundingClientRect();"
                                 "return [b.width];", plot)
    left, right = 52 + 3, 8 # the axis' labels, and the gap
    for share in range(-3, 4):
        x = left + (box[0] - left - right) * 0.5 + share
        said = hover(browser, "rtt", x / box[0])["rtt"]
        if "1000 ms" in said:
            break
    assert "1000 ms" in said and "20.00 ms" in said
    assert "8.0 Mbit/s" in hover(browser, "rate", 0.3)["rate"]


def hovered(browser, chart, share, words):
    """What a chart says at this share of the time shown, or some pixels beside: where it first has the words."""
    width = browser.find_element(By.CSS_SELECTOR, f"#chart-{chart} .plot").size["width"]
    left, right = 52 + 3, 8 # the axis' labels, and the gap
    for pixels in sorted(range(-6, 7), key=abs):
        said = hover(browser, chart, (left + (width - left - right) * share + pixels) / width)[chart]
        if words in said:
            break
    return said


def test_time_is_since_the_trace_began(browser, tmp_path):
    """Its clock stands at 100 s then, the first sample is of 102 s, a peak of 105 s; the last one of 108 s."""
    lines = ['{"schema":"radar-pod/trace/1","record":"header","monotonic_ns":100000000000,'
             '"utc_ns":1800000000000000000}\n', FLOW]
    for ms in range(6001):
        lines.append(json.dumps({"at_ns": 102_000_000_000 + ms * 1_000_000, "flow": 1, "event": "ack",
                                 "srtt_us": 1_000_000 if ms == 3000 else 20_000, "bytes_acked": 1000 * ms,
                                 "bytes_received": 0}) + "\n")
    (tmp_path / "t").write_text("".join([*lines, '{"record":"end","samples":6001}\n']))
    assert run("report", str(tmp_path / "t"), "-o", str(tmp_path / "page.html")).returncode == DONE
    opened(browser, tmp_path / "page.html")
    leave(browser)
    assert shown_time(browser) == pytest.approx((2, 8), abs=0.002)
    assert "1000 ms" in hovered(browser, "rtt", 0.5, "1000 ms")
    seconds, utc = browser.find_element(By.ID, "at").text.split(" s since the trace began, ")
    assert float(seconds) == pytest.approx(5, abs=0.04)
    assert utc.startswith("2027-01-15 08:00:0") and float(utc[17:23]) == pytest.approx(float(seconds), abs=0.002)


def test_a_short_connection_has_its_rate(browser, tmp_path):
    """20 ms at 800 Mbit/s, in a minute of another one."""
    flow = '{"record":"flow","flow":%d,"remote_ip":"192.0.2.4","remote_port":443,"pid":%d,"comm":"%s"}\n'
    sample = '{"at_ns":%d,"flow":%d,"event":"ack","bytes_acked":%d,"bytes_received":0}\n'
    (tmp_path / "t").write_text("".join([
        HEADER, flow % (1, 1, "long"), flow % (2, 2, "short"),
        *(sample % (ms * 1_000_000, 1, 1000 * ms) for ms in range(0, 30_000, 10)),
        *(sample % (30_000_000_000 + ms * 1_000_000, 2, 100_000 * ms) for ms in range(21)),
        *(sample % (ms * 1_000_000, 1, 1000 * ms) for ms in range(30_030, 60_001, 10)),
        '{"record":"end","samples":%d}\n' % (3000 + 21 + 2998)]))
    assert run("report", str(tmp_path / "t"), "-o", str(tmp_path / "page.html")).returncode == DONE
    opened(browser, tmp_path / "page.html")
    said = hovered(browser, "rate", 0.5, "short to 192.0.2.4:443 800.0 Mbit/s")
    assert "short to 192.0.2.4:443 800.0 Mbit/s" in said and "long to 192.0.2.4:443 8.0 Mbit/s" in said


def test_in_a_short_trace_time_is_told_closely(browser, tmp_path):
    sample = '{"at_ns":%d,"flow":1,"event":"ack","srtt_us":%d,"bytes_acked":%d,"bytes_received":0}\n'
    (tmp_path / "t").write_text(HEADER + FLOW + "".join(sample % (4000 * i, i + 1, i) for i in range(1001))
                                + '{"record":"end","samples":1001}\n')
    assert run("report", str(tmp_path / "t"), "-o", str(tmp_path / "page.html")).returncode == DONE
    opened(browser, tmp_path / "page.html")
    leave(browser)
    assert shown_time(browser) == (0, 0.004)
    charts, told = browser.find_element(By.ID, "charts"), []
    for _ in range(3):
        charts.send_keys(Keys.ARROW_RIGHT)
        told.append(browser.find_element(By.ID, "at").text.split()[0])
    assert told == ["0.002000", "0.002040", "0.002080"]


def test_a_few_bytes_are_told(browser, tmp_path):
    """Seven were sent again in the middle of a second."""
    sample = ('{"at_ns":%d,"flow":1,"event":"ack","bytes_acked":%d,"bytes_received":0,"bytes_sent":900,'
              '"bytes_retrans":%d}\n')
    (tmp_path / "t").write_text(HEADER + FLOW + "".join(sample % (ms * 1_000_000, ms, 7 * (ms >= 503))
                                                        for ms in range(1001))
                                + '{"record":"end","samples":1001}\n')
    assert run("report", str(tmp_path / "t"), "-o", str(tmp_path / "page.html")).returncode == DONE
    opened(browser, tmp_path / "page.html")
    assert hovered(browser, "again", 0.5, "7 B") == "7 B"


# --- dark, narrow, on paper -------------------------------------------------------------------------------------


def luminance(browser, selector="body"):
    rgb = browser.execute_script("return getComputedStyle(document.querySelector(arguments[0]))"
                                 ".backgroundColor", selector)
    return sum(int(v) for v in rgb[rgb.index("(") + 1:-1].split(",")[:3]) / 3


def colours_of(browser, chart):
    return browser.execute_script("""
        const c = document.querySelector('#chart-' + arguments[0] + ' canvas'), seen = {};
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        for (let i = 0; i < d.length; i += 4)
            if (d[i + 3] === 255) { const k = [d[i], d[i + 1], d[i + 2]].join(); seen[k] = (seen[k] || 0) + 1; }
        return Object.keys(seen).sort((a, b) => seen[b] - seen[a]).slice(0, 12);""", chart)


def test_dark_is_dark_and_the_curves_with_it(shown):
    light = colours_of(shown, "limits")
    assert luminance(shown) > 200
    media(shown, "dark")
    settle(shown)
    assert luminance(shown) < 60 and luminance(shown, ".card") < 80
    assert colours_of(shown, "limits") != light
    assert painted(shown, "rate")[0] > 1000
    assert complaints(shown) == []


def test_on_paper_it_is_light_and_whole(shown):
    media(shown, "dark")
    settle(shown)
    pdf = base64.b64decode(shown.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert pdf.startswith(b"%PDF") and len(pdf) > 50_000
    assert 2 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") <= 12
    media(shown, "dark", "print")
    settle(shown)
    assert luminance(shown) == 255
    assert painted(shown, "rate")[0] > 1000
    assert not shown.find_element(By.ID, "all").is_displayed()


@pytest.mark.parametrize("width", [320, 420, 800, 1600])
def test_at_every_width_nothing_sticks_out(shown, width):
    size(shown, width)
    settle(shown)
    assert shown.execute_script("return document.documentElement.scrollWidth") <= width
    for chart in drawn_charts(shown):
        assert painted(shown, chart)[0] > 300, chart


# --- what else a page may be of -----------------------------------------------------------------------------------


def test_a_hundred_connections(browser, tmp_path):
    crowd(tmp_path / "t", 100, samples=100)
    assert run("report", str(tmp_path / "t"), "-o", str(tmp_path / "page.html")).returncode == DONE
    opened(browser, tmp_path / "page.html")
    assert len(browser.find_elements(By.CSS_SELECTOR, "#flows button")) == 8
    assert len(browser.find_elements(By.CSS_SELECTOR, "#connections tbody tr")) == 100
    assert painted(browser, "rate")[0] > 1000
    assert hover(browser, "rate", 0.5)["rate"].count("bit/s") >= 8
    assert complaints(browser) == []


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_hardly_any_samples(browser, tmp_path, samples):
    crowd(tmp_path / "t", 1, samples=samples)
    assert run("report", str(tmp_path / "t"), "-o", str(tmp_path / "page.html")).returncode == DONE
    opened(browser, tmp_path / "page.html")
    hover(browser, "rtt", 0.5)
    drag(browser, "rtt", 0.2, 0.8)
    assert complaints(browser) == []


def test_times_of_no_clock(browser, tmp_path):
    (tmp_path / "t").write_text(
        '{"schema":"radar-pod/trace/1","record":"header","utc_ns":18446744073709551615,'
        '"monotonic_ns":18446744073709551615}\n' + FLOW +
        '{"at_ns":0,"flow":1,"event":"ack","srtt_us":4294967295,"bytes_acked":0,"bytes_received":0}\n'
        '{"at_ns":18446744073709551615,"flow":1,"event":"ack","srtt_us":1,"bytes_acked":'
        '18446744073709551615,"bytes_received":18446744073709551615}\n{"record":"end","samples":2}\n')
    assert run("report", str(tmp_path / "t"), "-o", str(tmp_path / "page.html")).returncode == DONE
    opened(browser, tmp_path / "page.html")
    hover(browser, "rtt", 0.5)
    assert complaints(browser) == []


def test_hostile_names_run_nothing(browser, tmp_path):
    crowd(tmp_path / "t", 3, comm=HOSTILE[:15])
    quoted = json.dumps(HOSTILE)
    (tmp_path / "r").write_text('{"schema":"radar-pod/result/1","server":{"machine":%s},"warnings":[%s]}'
                                % (quoted, quoted))
    assert run("report", str(tmp_path / "t"), "--result", str(tmp_path / "r"), "-o",
               str(tmp_path / "page.html")).returncode == DONE
    opened(browser, tmp_path / "page.html")
    assert "alert(1)" in browser.find_element(By.CSS_SELECTOR, ".when").text
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 3
    assert not browser.find_elements(By.TAG_NAME, "img")
    assert [url.split("/")[-1] for url in requests(browser)] == ["page.html"]
    assert complaints(browser) == []


def test_a_name_does_not_turn_figures_around(browser, tmp_path):
    """U+202E writes what follows from right to left, as far as its element or the line goes."""
    crowd(tmp_path / "t", 2, comm="a\u202eb")
    assert run("report", str(tmp_path / "t"), "-o", str(tmp_path / "page.html")).returncode == DONE
    opened(browser, tmp_path / "page.html")
    assert "\u202e" in hover(browser, "rtt", 0.5)["rtt"]
    assert browser.execute_script("""
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), bare = [];
        for (let n = walk.nextNode(); n; n = walk.nextNode())
            if (n.data.includes('\u202e') && !n.parentElement.closest('bdi, button, script'))
                bare.push(n.data);
        return bare;""") == []


def test_an_injected_script_would_not_run(browser, reported, tmp_path):
    """Should escaping ever fail, the page's own policy stands behind it."""
    page = reported[0].replace("</main>", "<script>document.title = 'taken'</script>"
                               "<img src='http://127.0.0.1:1/x' onerror='document.title = 1'></main>")
    (tmp_path / "page.html").write_text(page)
    opened(browser, tmp_path / "page.html")
    assert browser.title == "Internet connection test"
    assert all("Content Security Policy" in entry["message"] for entry in complaints(browser))
    assert painted(browser, "rate")[0] > 1000
