//! The project's pages and those who cite them: every page, heading and numbered item that a file names exists, and so
//! does every file that a page links to. A citation is written `driver/docs/rules.md, "Invariants" 1 and 6`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use vloopback_tests::source_root;

/// This file has wrong citations on purpose.
const SELF: &str = "tests/tests/pages.rs";
/// Folders that hold no source, where the list of files is not git's.
const NO_SOURCES: [&str; 5] = [".git", "target", "corpus", "artifacts", "coverage"];

/// What lies in the repository: each file by its path from the root, with its text; None for what is no text.
type Files = BTreeMap<PathBuf, Option<String>>;

/// All files that git knows or would add; without git, all that lie here.
fn files() -> Files {
    let root = source_root();
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|listed| listed.status.success())
        .map(|listed| String::from_utf8_lossy(&listed.stdout).into_owned());
    let paths = match listed {
        Some(list) => list.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect(),
        None => {
            let mut paths = Vec::new();
            walk(root, Path::new(""), &mut paths);
            paths
        }
    };
    paths
        .into_iter()
        .filter(|path| root.join(path).is_file())
        .map(|path| (path.clone(), std::fs::read_to_string(root.join(&path)).ok()))
        .collect()
}

fn walk(root: &Path, folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root.join(folder)).expect("a folder").map_while(Result::ok) {
        let path = folder.join(entry.file_name());
        if !entry.path().is_dir() {
            paths.push(path);
        } else if !NO_SOURCES.iter().any(|name| entry.file_name() == *name) {
            walk(root, &path, paths);
        }
    }
}

/// A path without `.` and `..`; None where it leads out of the repository.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !parts.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts)
}

fn is_page(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "md")
}

/// A file's lines as one, without the marks of comments, so that a citation may go on in the next line.
fn flat(file: &Path, text: &str) -> String {
    let marks: &[&str] = if is_page(file) { &[] } else { &["//!", "///", "//", "/*", "*", "#"] };
    let bare = |line: &str| {
        let line = line.trim();
        marks.iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line).trim().to_owned()
    };
    text.lines().map(bare).collect::<Vec<_>>().join(" ")
}

/// The sections of a page: each heading, and what stands below it up to the next one. What looks like a heading in a
/// block of code is none.
fn sections(page: &str) -> Vec<(String, Vec<&str>)> {
    let mut sections = Vec::new();
    let mut code = false;
    for line in page.lines() {
        code ^= line.trim_start().starts_with("```");
        let heading =
            line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#') && !code);
        match (heading, sections.last_mut()) {
            (Some(heading), _) => sections.push((heading.trim().to_owned(), Vec::new())),
            (None, Some((_, below))) => below.push(line),
            (None, None) => {}
        }
    }
    sections
}

/// The anchor that a heading has in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// A citation of a page.
#[derive(Debug, PartialEq, Eq)]
struct Citation {
    page: String,
    anchor: Option<String>,
    /// The headings, each with the numbers of the items below it that are meant.
    headings: Vec<(String, Vec<u32>)>,
}

/// The digits at the beginning of a text, as a number, and what follows them.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// The quoted headings after a page's name: `, "A" 1 and 2; "B"`.
fn headings(mut rest: &str) -> Vec<(String, Vec<u32>)> {
    let mut found = Vec::new();
    loop {
        let joints: &[&str] = if found.is_empty() { &[", \""] } else { &[", \"", "; \"", " and \""] };
        let Some(quoted) = joints.iter().find_map(|joint| rest.strip_prefix(joint)) else { break };
        let Some((heading, after)) = quoted.split_once('"') else { break };
        let mut numbers = Vec::new();
        rest = after;
        while let Some((item, after)) =
            [", ", " and ", " to ", " "].iter().find_map(|joint| number(rest.strip_prefix(joint)?))
        {
            numbers.push(item);
            rest = after;
        }
        found.push((heading.to_owned(), numbers));
    }
    found
}

/// All citations in a text.
fn citations(text: &str) -> Vec<Citation> {
    let in_path = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    let mut found = Vec::new();
    for (at, _) in text.match_indices(".md") {
        let (before, after) = (&text[..at], &text[at + 3..]);
        let start = before
            .rfind(|c| !in_path(c))
            .map_or(0, |k| k + before[k..].chars().next().map_or(1, char::len_utf8));
        let is_word = !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let is_url = before[..start].ends_with(':') && before[start..].starts_with("//");
        if start == at || !is_word || is_url {
            continue;
        }
        let anchor = after.strip_prefix('#').map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_')
                .next()
                .unwrap_or_default()
                .to_owned()
        });
        let rest = after.trim_start_matches(['`', ')', ']']);
        found.push(Citation { page: format!("{}.md", &before[start..]), anchor, headings: headings(rest) });
    }
    found
}

/// The page that a file means by a name: from the root, or from any folder that the file is in.
fn page_meant(files: &Files, file: &Path, name: &str) -> Option<PathBuf> {
    let folders = file.ancestors().skip(1);
    folders.filter_map(|folder| normal(&folder.join(name))).find(|path| files.contains_key(path))
}

/// What is wrong with the citations of a file.
fn wrong_citations(files: &Files, file: &Path, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for Citation { page, anchor: to, headings } in citations(&flat(file, text)) {
        let Some(path) = page_meant(files, file, &page) else {
            wrong.push(format!("{}: there is no page {page}", file.display()));
            continue;
        };
        let sections = sections(files[&path].as_deref().unwrap_or_default());
        if let Some(to) = to.filter(|to| !sections.iter().any(|(heading, _)| anchor(heading) == *to)) {
            wrong.push(format!("{}: {page} has no heading for #{to}", file.display()));
        }
        for (heading, numbers) in headings {
            let Some((_, below)) = sections.iter().find(|(other, _)| *other == heading) else {
                wrong.push(format!("{}: {page} has no heading \"{heading}\"", file.display()));
                continue;
            };
            for item in numbers {
                if !below.iter().any(|line| line.starts_with(&format!("{item}. "))) {
                    wrong.push(format!("{}: {page}, \"{heading}\" has no item {item}", file.display()));
                }
            }
        }
    }
    wrong
}

/// What is wrong with the links of a page: targets that are not there.
fn wrong_links(files: &Files, page: &Path, text: &str) -> Vec<String> {
    let folder = page.parent().unwrap_or(Path::new(""));
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let missing = targets.filter(|target| {
        let path = target.split('#').next().unwrap_or_default();
        let is_there = |path: PathBuf| files.keys().any(|file| file.starts_with(&path));
        !path.is_empty() && !path.contains("://") && !normal(&folder.join(path)).is_some_and(is_there)
    });
    missing.map(|target| format!("{}: the link to {target} leads nowhere", page.display())).collect()
}

/// The source files that a page names in backquotes and that do not exist. `runtime/wait.rs` stands for
/// `driver/runtime/src/wait.rs`, `wait.rs` for any file of that name.
fn missing_sources(files: &Files, page: &Path, text: &str) -> Vec<String> {
    let is_source = |word: &&str| {
        let path = Path::new(word);
        let extension = path.extension().and_then(|extension| extension.to_str());
        word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
            && extension.is_some_and(|extension| ["rs", "c", "h"].contains(&extension))
            && !path.is_absolute()
            && path
                .file_stem()
                .is_some_and(|stem| stem.to_str().is_some_and(|stem| !stem.chars().all(char::is_uppercase)))
    };
    let is_there = |word: &Path| {
        files.keys().any(|file| {
            let without_src: PathBuf = file.components().filter(|part| part.as_os_str() != "src").collect();
            file.ends_with(word) || without_src.ends_with(word)
        })
    };
    let words = text.split('`').skip(1).step_by(2).filter(is_source);
    let missing = words.filter(|word| !is_there(Path::new(word)));
    missing.map(|word| format!("{}: there is no file {word}", page.display())).collect()
}

/// What is wrong in the whole repository.
fn wrong(files: &Files) -> Vec<String> {
    let mut wrong = Vec::new();
    for (file, text) in files.iter().filter(|(file, _)| *file != Path::new(SELF)) {
        let Some(text) = text else { continue };
        wrong.extend(wrong_citations(files, file, text));
        if is_page(file) {
            wrong.extend(wrong_links(files, file, text));
            if file.starts_with("driver") {
                wrong.extend(missing_sources(files, file, text));
            }
        }
    }
    wrong
}

#[test]
fn every_page_and_heading_that_is_cited_exists() {
    let files = files();
    let cited: usize = files
        .iter()
        .filter_map(|(file, text)| {
            Some(citations(&flat(file, text.as_deref()?)).iter().map(|c| c.headings.len()).sum::<usize>())
        })
        .sum();
    assert!(cited > 100, "{cited} citations of headings: the test does not see them");
    let wrong = wrong(&files);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// README is the page that everybody reads: it stays short.
#[test]
fn the_readme_has_at_most_200_lines() {
    let readme = std::fs::read_to_string(source_root().join("README.md")).expect("README.md");
    assert!(readme.lines().count() <= 200, "{} lines", readme.lines().count());
}

/// A repository of strings.
fn repository(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(path, text)| (PathBuf::from(path), Some((*text).to_owned()))).collect()
}

const RULES: (&str, &str) = (
    "driver/docs/rules.md",
    "# Rules\n\n## Invariants\n\n1. One.\n2. Two.\n\n## Whose server?\n\n```sh\n# no heading\n```\n[main](../main.rs)\n",
);

/// What is wrong in a file of this text beside [`RULES`].
fn found_in(path: &str, text: &str) -> Vec<String> {
    wrong(&repository(&[RULES, ("driver/main.rs", ""), (path, text)]))
}

#[test]
fn a_right_citation_is_found_right() {
    let right = [
        "//! As driver/docs/rules.md says.",
        "// (driver/docs/rules.md, \"Invariants\" 1 and 2; \"Whose server?\")",
        "/// See driver/docs/rules.md, \"Whose\n/// server?\": 3 of them.",
        "/* Broken (driver/docs/rules.md,\n * \"Invariants\" 2). */",
        "// docs/rules.md, from a folder above; https://example.invalid/other.md is not ours.",
        "let name = format!(\"{page}.md\");",
    ];
    for text in right {
        assert_eq!(found_in("driver/cli/src/lib.rs", text), [""; 0], "{text}");
    }
    let page = "[rules](rules.md#whose-server), and [`rules.md`](rules.md), \"Invariants\" 2; [](https://a.invalid/)";
    assert_eq!(found_in("driver/docs/other.md", page), [""; 0]);
}

#[test]
fn a_wrong_citation_is_found_out() {
    let wrong = [
        ("//! DESIGN.md 7, Era", "there is no page DESIGN.md"),
        ("// (LEGACY.md 6)", "there is no page LEGACY.md"),
        ("// driver/docs/nowhere.md", "there is no page driver/docs/nowhere.md"),
        ("// driver/docs/rules.md, \"Invariant\"", "has no heading \"Invariant\""),
        ("// driver/docs/rules.md, \"no heading\"", "has no heading \"no heading\""),
        ("/// driver/docs/rules.md, \"Invariants\" 1,\n/// 2 and 3", "has no item 3"),
        ("// driver/docs/rules.md, \"Invariants\" and \"Policies\"", "has no heading \"Policies\""),
        ("# driver/docs/rules.md#policies", "has no heading for #policies"),
    ];
    for (text, why) in wrong {
        let found = found_in("driver/cli/src/lib.rs", text);
        assert!(found.len() == 1 && found[0].contains(why), "{text}: {found:?}");
    }
    let found = found_in(
        "driver/docs/other.md",
        "As `driver/main.rs`, `main.rs`, not `gone.rs`, and `NAME.rs` is any.",
    );
    assert_eq!(found, ["driver/docs/other.md: there is no file gone.rs"]);
    let found = found_in("driver/docs/other.md", "[main](main.rs)");
    assert_eq!(found, ["driver/docs/other.md: the link to main.rs leads nowhere"]);
}
