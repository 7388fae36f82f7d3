### The window's words. A place in braces is filled in; numbers come with their thousands set apart.

title = Medley
cancel = Cancel
choose = Choose…
undo = Undo
undo-forget = They are gone
notice-close = Close this message
count = { $count }
percent = { $value } %
bytes = { $size } bytes
kilobytes = { $size } kB
megabytes = { $size } MB
gigabytes = { $size } GB
left-seconds = { $time } s
left-minutes = { $time } min
left-hours = { $time } h

## Opening

library-opening = Opening the library…
library-failed = The library could not be opened: { $reason }
library-read-only = This library can only be read: it can be searched, but nothing new is kept.
model-loading = Model { $percent } %
model-loading-hint = The model is being loaded; until it is there, names and dates can be searched.
model-failed = The model could not be loaded: { $reason }
model-cannot-search = This model cannot compare pictures with texts, so nothing can be searched by words and no new photographs are read: choose one that matches in the menu, or the built-in one.
model-changed = { $name } is asked from here on. It reads your photographs once; until then a search finds those that it has read.
model = Model
model-built-in = Built-in
model-choose = Which model?
model-choose-file = A file…
model-choose-folder = A folder…
model-files = Checkpoints
model-not-there = The model is still being loaded
window-no-adapter = no graphics adapter could be opened for the window ({ $reason }): install a Vulkan driver such as mesa-vulkan-drivers, or use the commands, see medley --help
window-no-screen = no window could be opened ({ $reason }): start it where there is a screen, or use the commands, see medley --help

## First start

welcome-question = Which folder holds your photos?
welcome-promise = They stay where they are. Nothing is uploaded, and nothing is written into them.
welcome-choose = Choose a folder…
welcome-drop = or drop it here, or type its path:
welcome-path = Path of the folder
welcome-path-hint = /home/me/Pictures
folder-missing = There is no folder { $folder }.
folder-is-file = { $folder } is a file. Choose the folder it lies in.
folder-none = Choose a folder.
choose-photos = Which folder holds your photos?
choose-mirror = Which folder takes the captions?
choose-copies = Which folder takes the copies?
drop = Drop a folder to add it, a picture to search by it

## Searching

search = Search
search-hint = What do you remember?   dog jumping into a lake
search-waits = The model is still being loaded; words are searched as soon as it is there.
completion-tab = Tab
strictness = Strictness
strictness-hint = How sure a match must be to be shown
loose = loose
strict = strict
sort = Order
sort-match = Best match
sort-newest = Newest first
sort-oldest = Oldest first
sort-name = By name
size = Size of photographs
size-hint = Size of photographs (Ctrl and the wheel)
chip-picture = looks like { $name }
chip-remove = Remove { $words }
found = { $count ->
    [0] Nothing found
    [one] One photograph
   *[other] { $count } photographs
}
found-nearest = { $count ->
    [one] Nothing is this sure; one nearest
   *[other] Nothing is this sure; { $count } nearest
}
found-in = { $found } · { $milliseconds } ms
found-settling = { $count ->
    [one] One photograph · looking closer…
   *[other] { $count } photographs · looking closer…
}
album-save = Keep this search…
album-name = Name of the album
album-keep = Keep

## Menu

menu = Menu
menu-add-folder = Add a folder…
menu-rescan = Look for changes
menu-show-details = Show details (I)
menu-hide-details = Hide details (I)
theme = Appearance
theme-system = As the system
theme-dark = Dark
theme-light = Light

## Parts of the library

source-all = All photographs
source-uncaptioned = Without a caption
source-duplicates = Duplicates
source-near = Nearly the same
source-problems = Problems
source-similar = Like { $name }
folders = Folders
folder-add = Add a folder…
folder-remove = Take out of the library
albums = Albums
album-delete = Delete the album
problems-title = { $count ->
    [0] Every file could be read
    [one] One file could not be read
   *[other] { $count } files could not be read
}
problems-again = Try again

## Grid

grid-label = { $count ->
    [one] One photograph
   *[other] { $count } photographs
}
grid-label-at = Photograph { $number } of { $count }: { $name }
grid-filling = Looking for photographs…
grid-empty = Nothing to see here.
photo-number = Photograph { $number }
photo-gone = The photograph is no longer in the library
group = Group { $number } · { $count } photographs
scroll = Scroll
day = { $weekday }, { $day } { $month } { $year }
day-unknown = Day unknown
weekday-1 = Monday
weekday-2 = Tuesday
weekday-3 = Wednesday
weekday-4 = Thursday
weekday-5 = Friday
weekday-6 = Saturday
weekday-7 = Sunday
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December
menu-open = Open
menu-similar = Similar to this
menu-caption = { $count ->
    [one] Caption…
   *[other] Caption { $count } photographs…
}
menu-reveal = Show in its folder
menu-copy-path = { $count ->
    [one] Copy path
   *[other] Copy { $count } paths
}
menu-copy-to = { $count ->
    [one] Copy to a folder…
   *[other] Copy { $count } to a folder…
}
menu-trash = { $count ->
    [one] Move to trash
   *[other] Move { $count } to trash
}
paths-copied = { $count ->
    [one] The path is on the clipboard.
   *[other] { $count } paths are on the clipboard.
}
reveal-failed = Could not open { $folder }: { $reason }
trash-done = { $count ->
    [one] One photograph moved to the trash.
   *[other] { $count } photographs moved to the trash.
}
trash-undone = Taken back from the trash.
copy-done = { $count ->
    [one] One photograph copied to { $folder }
   *[other] { $count } photographs copied to { $folder }
}

## A photograph large

viewer-label = { $name }, photograph { $number } of { $count }
viewer-at = { $number } of { $count }
viewer-loading = Loading…
viewer-failed = This photograph cannot be shown: { $reason }
viewer-back = Back
viewer-back-hint = Back to the grid (Esc)

## Details

details-none = Choose a photograph to see what is known of it.
caption = Caption
caption-none = No caption yet.
caption-by-model = written by the model
caption-write = Write a caption
caption-another = Another
caption-edit = Edit
caption-field = Caption text
caption-keep = Keep
caption-leave = Leave as it was
caption-undo = Undo
caption-undo-hint = Take the last caption back
caption-history = Earlier captions
caption-again = Take again
caption-taken-away = (none)
caption-reading = Looking at the photograph…
caption-stop = Stop
caption-cannot = This model does not write captions
ask = Ask about this photograph
ask-hint = Your question
ask-suggestion-1 = How many people are there?
ask-suggestion-2 = What animal is it?
ask-suggestion-3 = Is it outside?
match = Does a text describe it?
match-hint = a dog in the snow
match-yes = Yes, { $percent } sure
match-no = Rather not: { $percent }
match-similarity = “{ $text }” and the photograph are { $similarity } alike by themselves
facts = Details
fact-taken = Taken
fact-size = Size
fact-size-value = { $width } × { $height } · { $megapixels } MP · { $bytes }
fact-camera = Camera
fact-lens = Lens
fact-place = Place
fact-rating = Rating
fact-folder = Folder
stars = { $count ->
    [one] 1 star
   *[other] { $count } stars
}
north = N
south = S
east = E
west = W
copies = { $count ->
    [one] One more copy
   *[other] { $count } more copies
}

## Captions for many

bulk-title = { $count ->
    [one] Caption one photograph
   *[other] Caption { $count } photographs
}
bulk-promise = This is how they would read. Nothing is written before you say so, and never into a photograph.
bulk-reading = Looking at it…
bulk-anew = will be written anew
bulk-more = … and { $count } more
bulk-where = Where to
bulk-library = Only the library
bulk-text = A .txt for each, one caption a line
bulk-jsonl = metadata.jsonl in each folder
bulk-xmp = An XMP sidecar for each (dc:description)
bulk-beside = beside the photographs
bulk-mirror = in a folder of their own
bulk-mirror-path = Folder of the captions
bulk-mirror-hint = /home/me/captions
bulk-keep = Keep the captions that are there
bulk-there = { $count ->
    [one] One of these photographs has such a file already:
   *[other] { $count } of these photographs have such a file already:
}
bulk-leave = leave those files as they are
bulk-replace = replace the captions in them
bulk-go = { $count ->
    [one] Caption it
   *[other] Caption { $count }
}
bulk-done = { $count ->
    [one] One caption written
   *[other] { $count } captions written
}{ $files ->
    [0] {""}
    [one] , one file
   *[other] , { $files } files
}{ $left ->
    [0] {""}
   *[other] , { $left } files left as they were
}{ $failed ->
    [0] .
   *[other] , { $failed } failed.
}
bulk-cancelled = { $count ->
    [one] Stopped after one caption.
   *[other] Stopped after { $count } captions.
}
bulk-undone = The captions are taken back.
bulk-undone-partly = { $count } could not be taken back: { $reason }

## Tasks

task-reading = Reading photographs
task-captioning = { $count ->
    [one] Captioning one photograph
   *[other] Captioning { $count } photographs
}
task-copying = { $count ->
    [one] Copying one photograph
   *[other] Copying { $count } photographs
}
task-starting = Starting…
task-found = { $count } found so far
task-of = { $done } of { $total }
task-speed = { $speed }/s
task-paused = Paused at { $done } of { $total }
task-pause = Pause: { $task }
task-continue = Continue: { $task }
task-cancel = Cancel: { $task }
task-dismiss = Close: { $task }
task-problems = { $count ->
    [one] One problem
   *[other] { $count } problems
}
task-more-problems = and { $count } more
index-done = { $added ->
    [0] Nothing new
    [one] One new photograph
   *[other] { $added } new photographs
}{ $changed ->
    [0] {""}
   *[other] , { $changed } changed
}{ $failed ->
    [0] .
   *[other] , { $failed } could not be read.
}
index-stopped = Stopped; the rest is read next time.
index-kept = { $count ->
    [one] One photograph is gone.
   *[other] { $count } photographs are gone at once. Is a drive unplugged? They stay in the library.
}
