"""What a person would see on a page, measured in the browser: texts that are cut off, areas that are too wide."""

from typing import Any

from selenium import webdriver

_TEXTS_CUT_OFF = """
const cut = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const hides = (style) => ["hidden", "clip"].includes(style.overflowX) || ["hidden", "clip"].includes(style.overflowY);
const scrolls = (style) => /auto|scroll/.test(style.overflowX + style.overflowY);
while (walker.nextNode()) {
  const text = walker.currentNode, parent = text.parentElement;
  if (!text.textContent.trim() || parent.closest("script, noscript, .skip, option, title")) continue;
  if (!parent.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
  const range = document.createRange();
  range.selectNodeContents(text);
  const box = range.getBoundingClientRect();
  if (!box.width) continue;
  let scrolled = false;
  for (let node = parent; node; node = node.parentElement) {
    const style = getComputedStyle(node), area = node.getBoundingClientRect();
    if (style.clipPath !== "none") { scrolled = true; break; } // for screen readers only
    if (scrolled || node === document.documentElement || node === document.body) continue;
    if (scrolls(style)) { scrolled = true; continue; }
    const beyond = [area.left - box.left, box.right - area.right, area.top - box.top, box.bottom - area.bottom];
    if (hides(style) && Math.max(...beyond) > 1) {
      cut.push(`${text.textContent.trim()} in ${node.className || node.id || node.tagName}`);
      break;
    }
  }
  if (!scrolled && Math.max(-box.left, box.right - innerWidth) > 1) cut.push(`${text.textContent.trim()} off the page`);
}
return cut;
"""
_SCROLLED_SIDEWAYS = """
return [...document.querySelectorAll("body *")]
  .filter((node) => /auto|scroll/.test(getComputedStyle(node).overflowX) && node.scrollWidth > node.clientWidth + 1)
  .map((node) => `${node.tagName} ${node.id || node.className}: ${node.scrollWidth} > ${node.clientWidth}`);
"""
_COLUMNS = """
const table = document.getElementById(arguments[0]), stacked = getComputedStyle(table).display === "block";
const cells = stacked ? [...table.querySelector("tbody tr:not(.group)").cells] : [...table.tHead.rows[0].cells];
return cells.filter((cell) => {
  const box = cell.getBoundingClientRect();
  return box.width > 0 && box.left >= 0 && box.right <= innerWidth;
}).map((cell) => (stacked ? cell.dataset.label : cell.textContent));
"""
_BROKEN = """
return [...document.images]
  .filter((image) => image.complete && !image.naturalWidth && getComputedStyle(image).visibility === "visible")
  .map((image) => image.src);
"""


def run(browser: webdriver.Chrome, code: str, *arguments: Any) -> Any:
    return browser.execute_script(code, *arguments)


def width_beyond_page(browser: webdriver.Chrome) -> int:
    """Return by how many pixels the page is wider than the window."""
    return int(run(browser, "return document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def texts_cut_off(browser: webdriver.Chrome) -> list[str]:
    """Return the visible texts of which an ancestor or the window hides a part. Scrolled areas may hide texts."""
    return list(run(browser, _TEXTS_CUT_OFF))


def scrolled_sideways(browser: webdriver.Chrome) -> list[str]:
    return list(run(browser, _SCROLLED_SIDEWAYS))


def columns_shown(browser: webdriver.Chrome, table_id: str) -> list[str]:
    """Return the names of the table's columns that are inside the window."""
    return list(run(browser, _COLUMNS, table_id))


def broken_images(browser: webdriver.Chrome) -> list[str]:
    return list(run(browser, _BROKEN))
