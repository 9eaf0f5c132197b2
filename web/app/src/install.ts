/** Registers the service worker, tells when the page is stored on the device, and offers new builds. */

import { element } from "@page/dom.js";

/** Stores the page on the device; browsers allow it on secure addresses and on this computer's own. */
export async function storePage(): Promise<void> {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  void navigator.serviceWorker.ready.then(() => (element("offline").hidden = false));
  try {
    const registration = await navigator.serviceWorker.register("./service_worker.js", { updateViaCache: "none" });
    offer(registration);
    registration.addEventListener("updatefound", () => {
      registration.installing?.addEventListener("statechange", () => offer(registration));
    });
  } catch (error) {
    console.warn(error); // the page works without
  }
}

/** Shows a waiting build; the page changes to it only when the reader asks, because a reload removes the photos. */
function offer({ waiting, active }: ServiceWorkerRegistration): void {
  if (waiting === null || active === null) return;
  element("update").hidden = false;
  element("reload").onclick = (): void => {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    waiting.postMessage("activate");
  };
}
