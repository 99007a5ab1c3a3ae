/** Starts the page: words, the parts of the view, then the link. */

import * as actions from "./actions.js";
import * as composer from "./composer.js";
import * as frames from "./frames.js";
import { translate } from "./i18n.js";
import * as keyboard from "./keyboard.js";
import * as scroll from "./scroll.js";
import { connect } from "./socket.js";
import { subscribe } from "./state.js";
import { browserId } from "./storage.js";
import * as theme from "./theme.js";
import * as view from "./view.js";

translate(document);
theme.start();
keyboard.start();
scroll.start();
actions.listen(document.querySelector("#messages"));
view.start();
composer.start();
subscribe(view.render);

const address = new URL(`/ws?me=${browserId()}`, location.href);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
connect(address, { frame: frames.receive, lost: frames.lost });
