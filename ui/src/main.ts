import { mount } from "svelte";
import App from "./App.svelte";
import { watchFailures } from "./lib/actions";
import { live } from "./lib/live.svelte";
import { notifications } from "./lib/notifications.svelte";
import { link, router } from "./lib/router.svelte";
import { find } from "./lib/routes";
import { settings } from "./lib/settings.svelte";
import "./lib/tokens.css";
import "./lib/base.css";

settings.apply();
router.start();
// Who reloads the page, or comes back to it, stays where they were.
const [visit] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
if (!router.path && visit?.type === "navigate" && settings.start && find(settings.start)) router.go(link(settings.start), { replace: true });
live.start();
watchFailures();
notifications.watch();
const target = document.getElementById("app");
if (target) mount(App, { target });
