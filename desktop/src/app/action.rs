//! What views ask for: they change nothing but their own state, and say the rest with these.

use std::path::PathBuf;

use eframe::egui::ThemePreference;

use super::bulk::Plan;
use super::source::Source;
use super::tasks::{Control, TaskId};
use crate::library::photo::ContentId;

/// Something that a view wants done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Ask for a folder, and add it to the library.
    ChooseFolder,
    /// Add this folder to the library and read it.
    AddFolder(PathBuf),
    /// Take a folder out of the library; its photographs stay where they are.
    RemoveFolder(PathBuf),
    /// Read all folders again.
    Rescan {
        /// Forget photographs that are gone, however many.
        forget: bool,
    },
    /// What is asked for has changed: search again.
    Search,
    /// Show another part of the library.
    Show(Source),
    /// Show what looks like this.
    Similar(ContentId, String),
    /// Open the photograph under the cursor large.
    Open,
    /// Back to the grid.
    Close,
    /// Show the photograph so many places on.
    Step(isize),
    /// Give the keyboard to the search field.
    FocusSearch,
    /// Give the keyboard to the photographs.
    FocusGrid,
    /// Show or hide the panel with details.
    ToggleDetails,
    /// Show the folder of the photograph under the cursor.
    Reveal,
    /// Put the paths of the chosen photographs on the clipboard.
    CopyPath,
    /// Move the chosen photographs to the trash.
    Trash,
    /// Copy the chosen photographs to a folder.
    CopyTo,
    /// Carry the chosen photographs to another program, by the pointer that is held.
    Carry,
    /// Begin to caption the chosen photographs.
    Caption,
    /// Look for the files that a plan would write over.
    CheckPlan(Plan),
    /// Ask for the folder that takes the files.
    ChooseMirror,
    /// Caption as planned.
    RunPlan(Plan),
    /// Leave the captions alone.
    DropPlan,
    /// Have the model write a caption for the photograph under the cursor.
    WriteCaption,
    /// Stop what the model is doing for the photograph under the cursor.
    StopWriting,
    /// Keep a caption that a person wrote.
    KeepCaption(ContentId, String),
    /// Take the last caption back.
    UndoCaption(ContentId),
    /// Ask the model about the photograph under the cursor.
    Ask(String),
    /// Ask how well a text describes it.
    Match(String),
    /// Ask what the model looks at for each word of its caption.
    Look(String),
    /// Pause, continue or cancel a task.
    Control(TaskId, Control),
    /// Take back what a message tells of.
    Undo(u64),
    /// Keep the search under a name.
    SaveAlbum(String),
    /// Forget a kept search.
    DeleteAlbum(String),
    /// Dark, light, or as the system is.
    Theme(ThemePreference),
    /// Ask for a model: a file, or a folder with one.
    ChooseModel {
        /// Which of the two.
        is_folder: bool,
    },
    /// Ask this model from here on; the built-in one where none is named.
    UseModel(Option<PathBuf>),
}
