//! What the camera and the file system say of a photograph.

use eframe::egui::{Label, RichText, Ui};

use super::{About, title};
use crate::app::theme::palette;
use crate::app::words::{bytes, moment, say, say_with};

/// Draws what is known.
pub fn ui(ui: &mut Ui, about: &About) {
    let photo = &about.photo;
    title(ui, &say("facts"));
    let mut facts = vec![("fact-taken", moment(&photo.taken))];
    if photo.width > 0 {
        let megapixels = f64::from(photo.width) * f64::from(photo.height) / 1e6;
        let size = say_with(
            "fact-size-value",
            &[
                ("width", photo.width.to_string().into()),
                ("height", photo.height.to_string().into()),
                ("megapixels", format!("{megapixels:.1}").into()),
                ("bytes", bytes(photo.size_bytes).into()),
            ],
        );
        facts.push(("fact-size", size));
    } else {
        facts.push(("fact-size", bytes(photo.size_bytes)));
    }
    facts.extend(photo.camera.clone().map(|camera| ("fact-camera", camera)));
    facts.extend(photo.lens.clone().map(|lens| ("fact-lens", lens)));
    facts.extend(photo.place.map(|place| ("fact-place", degrees(place))));
    facts.extend(photo.rating.map(|stars| ("fact-rating", say_with("stars", &[("count", stars.into())]))));
    facts.push(("fact-folder", photo.path.parent().unwrap_or(&photo.path).display().to_string()));
    for (name, value) in facts {
        ui.horizontal_top(|ui| {
            let (rect, _) = ui.allocate_exact_size(eframe::egui::vec2(74.0, 18.0), eframe::egui::Sense::hover());
            let font = eframe::egui::FontId::proportional(13.0);
            ui.painter().text(rect.left_top(), eframe::egui::Align2::LEFT_TOP, say(name), font, palette(ui).weak);
            ui.add(Label::new(RichText::new(value).size(13.0)).wrap());
        });
    }
    if !about.copies.is_empty() {
        title(ui, &say_with("copies", &[("count", about.copies.len().into())]));
        for copy in &about.copies {
            ui.add(Label::new(RichText::new(copy.display().to_string()).size(12.0)).truncate());
        }
    }
}

/// Degrees north and east in words.
fn degrees((north, east): (f64, f64)) -> String {
    let north_name = say(if north < 0.0 { "south" } else { "north" });
    let east_name = say(if east < 0.0 { "west" } else { "east" });
    format!("{:.4}° {north_name}, {:.4}° {east_name}", north.abs(), east.abs())
}
