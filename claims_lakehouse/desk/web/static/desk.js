// A page that renews itself once an act is published does not do so while somebody is typing into it.
document.addEventListener("htmx:beforeRequest", (event) => {
  const typed = (one) => one.type !== "hidden" && one.value !== one.defaultValue;
  const isTyping = [...document.querySelectorAll("main input, main textarea")].some(typed);
  if (event.target.hasAttribute("data-renews") && isTyping) event.preventDefault();
});
