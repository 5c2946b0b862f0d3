import { mount } from "svelte";
import App from "./App.svelte";
import { watchFailures } from "./lib/actions";
import { live } from "./lib/live.svelte";
import { notifications } from "./lib/notifications.svelte";
import { router } from "./lib/router.svelte";
import { settings } from "./lib/settings.svelte";
import "./lib/tokens.css";
import "./lib/base.css";

settings.apply();
router.start();
live.start();
watchFailures();
notifications.watch();
const target = document.getElementById("app");
if (target) mount(App, { target });
