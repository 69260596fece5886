// The theme's buttons that unfold a part of the navigation have no name that a screen reader could say.
for (const button of document.querySelectorAll("summary:has(> .toctree-toggle)")) button.setAttribute("aria-label", "Pages below this one");
