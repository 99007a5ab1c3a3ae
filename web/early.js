/* Before anything is drawn: the light that the person chose. No module, because modules come later. */
try {
  document.documentElement.dataset.light = localStorage.getItem("bramble.light") ?? "";
} catch {
  document.documentElement.dataset.light = "";
}
