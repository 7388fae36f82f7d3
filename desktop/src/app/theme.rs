//! Colours, sizes and letters: calm, and the same in every view.

use eframe::egui::{
    Color32, Context, CornerRadius, FontFamily, FontId, Margin, Shadow, Stroke, Style, TextStyle, Theme, Ui, Visuals,
    style::ScrollAnimation, vec2,
};

/// The colours that egui's own widgets have no name for.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    /// Behind the photographs.
    pub ground: Color32,
    /// Panels beside them.
    pub panel: Color32,
    /// Cards, chips and fields.
    pub raised: Color32,
    /// Lines between things.
    pub line: Color32,
    /// Text.
    pub text: Color32,
    /// Text that may be overlooked.
    pub weak: Color32,
    /// What is chosen, and what can be done next.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// What went wrong.
    pub error: Color32,
    /// A photograph that is not there yet.
    pub placeholder: Color32,
}

const DARK: Palette = Palette {
    ground: Color32::from_rgb(0x16, 0x18, 0x1b),
    panel: Color32::from_rgb(0x1c, 0x1f, 0x23),
    raised: Color32::from_rgb(0x28, 0x2c, 0x31),
    line: Color32::from_rgb(0x30, 0x35, 0x3b),
    text: Color32::from_rgb(0xdd, 0xe0, 0xe4),
    weak: Color32::from_rgb(0x98, 0xa0, 0xa9),
    accent: Color32::from_rgb(0x7b, 0xae, 0xf5),
    on_accent: Color32::from_rgb(0x0d, 0x1b, 0x2e),
    error: Color32::from_rgb(0xf0, 0x8a, 0x80),
    placeholder: Color32::from_rgb(0x22, 0x26, 0x2b),
};

const LIGHT: Palette = Palette {
    ground: Color32::from_rgb(0xff, 0xff, 0xff),
    panel: Color32::from_rgb(0xf5, 0xf6, 0xf8),
    raised: Color32::from_rgb(0xe9, 0xec, 0xef),
    line: Color32::from_rgb(0xdd, 0xe1, 0xe6),
    text: Color32::from_rgb(0x20, 0x25, 0x2b),
    weak: Color32::from_rgb(0x5c, 0x65, 0x6e),
    accent: Color32::from_rgb(0x1f, 0x62, 0xc8),
    on_accent: Color32::WHITE,
    error: Color32::from_rgb(0xb3, 0x2a, 0x1e),
    placeholder: Color32::from_rgb(0xec, 0xee, 0xf1),
};

/// The corners of cards, fields and photographs.
pub const RADIUS: u8 = 8;

/// The colours of the theme that this part of the window is drawn in.
pub fn palette(ui: &Ui) -> Palette {
    if ui.visuals().dark_mode { DARK } else { LIGHT }
}

/// Gives the window its looks.
pub fn apply(context: &Context) {
    context.set_style_of(Theme::Dark, style(Visuals::dark(), DARK));
    context.set_style_of(Theme::Light, style(Visuals::light(), LIGHT));
}

fn style(mut visuals: Visuals, palette: Palette) -> Style {
    let mut style = Style::default();
    for (text, size) in
        [(TextStyle::Small, 11.5), (TextStyle::Body, 14.0), (TextStyle::Button, 14.0), (TextStyle::Heading, 21.0)]
    {
        style.text_styles.insert(text, FontId::new(size, FontFamily::Proportional));
    }
    style.text_styles.insert(TextStyle::Monospace, FontId::new(13.0, FontFamily::Monospace));
    style.spacing.item_spacing = vec2(8.0, 6.0);
    style.spacing.button_padding = vec2(11.0, 5.0);
    style.spacing.menu_margin = Margin::same(6);
    style.spacing.interact_size.y = 26.0;
    style.spacing.slider_rail_height = 4.0;
    style.spacing.tooltip_width = 340.0;
    // Nothing moves by itself, so nobody has to ask for less motion.
    style.animation_time = 0.0;
    style.scroll_animation = ScrollAnimation::none();
    visuals.text_cursor.blink = false;
    style.interaction.selectable_labels = false;

    visuals.override_text_color = None;
    visuals.weak_text_color = Some(palette.weak);
    visuals.panel_fill = palette.panel;
    visuals.window_fill = palette.panel;
    visuals.window_stroke = Stroke::new(1.0, palette.line);
    visuals.window_corner_radius = CornerRadius::same(RADIUS + 4);
    visuals.menu_corner_radius = CornerRadius::same(RADIUS);
    visuals.extreme_bg_color = palette.raised;
    visuals.text_edit_bg_color = Some(palette.raised);
    visuals.faint_bg_color = palette.raised;
    visuals.hyperlink_color = palette.accent;
    visuals.error_fg_color = palette.error;
    visuals.warn_fg_color = palette.error;
    visuals.selection.bg_fill = palette.accent.gamma_multiply(if visuals.dark_mode { 0.35 } else { 0.22 });
    visuals.selection.stroke = Stroke::new(1.5, palette.accent);
    visuals.slider_trailing_fill = true;
    let shadow = Shadow {
        offset: [0, 6],
        blur: 24,
        spread: 0,
        color: Color32::from_black_alpha(if visuals.dark_mode { 110 } else { 36 }),
    };
    visuals.window_shadow = shadow;
    visuals.popup_shadow = shadow;

    let rest = palette.raised;
    let over = mixed(palette.raised, palette.text, 0.08);
    let down = mixed(palette.raised, palette.text, 0.16);
    let widgets = &mut visuals.widgets;
    for (widget, fill, text) in [
        (&mut widgets.noninteractive, palette.panel, palette.text),
        (&mut widgets.inactive, rest, palette.text),
        (&mut widgets.hovered, over, palette.text),
        (&mut widgets.active, down, palette.text),
        (&mut widgets.open, over, palette.text),
    ] {
        widget.weak_bg_fill = fill;
        widget.bg_fill = fill;
        widget.bg_stroke = Stroke::NONE;
        widget.fg_stroke = Stroke::new(1.0, text);
        widget.corner_radius = CornerRadius::same(RADIUS - 1);
        widget.expansion = 0.0;
    }
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, palette.line);
    // A handle must be seen on its rail.
    widgets.inactive.bg_fill = mixed(palette.raised, palette.text, 0.25);
    widgets.hovered.bg_fill = mixed(palette.raised, palette.text, 0.4);
    widgets.active.bg_fill = palette.accent;
    // Who goes by keyboard must see where they are.
    widgets.active.bg_stroke = Stroke::new(1.5, palette.accent);
    style.visuals = visuals;
    style
}

/// So much of the second colour in the first.
fn mixed(first: Color32, second: Color32, share: f32) -> Color32 {
    first.lerp_to_gamma(second, share)
}
