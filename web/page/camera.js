// A photo from the camera, in a dialog with a shutter.

import { strings } from "./strings.js";
import { byId } from "./element.js";
import { clearNotice, showNotice } from "./notice.js";

let count = 0;

export class Camera {
  #onPhoto;
  #onChoose;
  #stream = null;

  /** `onPhoto({ blob, name })` hears of a photo, `onChoose()` of someone who would rather pick a file. */
  constructor(onPhoto, onChoose) {
    this.#onPhoto = onPhoto;
    this.#onChoose = onChoose;
    byId("shutter").addEventListener("click", () => this.#take());
    byId("camera").addEventListener("close", () => this.#release());
  }

  async open() {
    const dialog = byId("camera");
    clearNotice(byId("camera-notice"));
    byId("viewfinder").hidden = false;
    byId("shutter").disabled = true;
    dialog.showModal();
    try {
      // Absent without a secure context.
      if (!navigator.mediaDevices?.getUserMedia) throw Object.assign(new Error(), { name: "NotFoundError" });
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: false, video: { facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1080 } },
      });
      this.#stream = stream;
      if (!dialog.open) return this.#release();
      const viewfinder = byId("viewfinder");
      viewfinder.srcObject = stream;
      await viewfinder.play();
      byId("shutter").disabled = false;
      byId("shutter").focus();
    } catch (error) {
      byId("viewfinder").hidden = true;
      showNotice(byId("camera-notice"), sentence(error), [[strings.cameraChoose, () => {
        dialog.close();
        this.#onChoose();
      }]]);
    }
  }

  #take() {
    const { videoWidth, videoHeight } = byId("viewfinder");
    const canvas = document.createElement("canvas");
    canvas.width = videoWidth;
    canvas.height = videoHeight;
    canvas.getContext("2d").drawImage(byId("viewfinder"), 0, 0);
    byId("camera").close();
    canvas.toBlob((blob) => this.#onPhoto({ blob, name: strings.cameraName(++count) }), "image/jpeg", 0.92);
  }

  #release() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    byId("viewfinder").srcObject = null;
  }
}

function sentence(error) {
  if (error.name === "NotFoundError" || error.name === "OverconstrainedError") return strings.cameraNone;
  return error.name === "NotAllowedError" ? strings.cameraDenied : strings.trouble.camera(error.message);
}
