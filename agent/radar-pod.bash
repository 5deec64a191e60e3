# bash completion for radar-pod. What it offers is what the program's own help says, so that it is
# never older than the program: lines of "  --name ARGUMENT   meaning", where an argument such as
# "auto|ws|wss" lists its values.

# Names in the first column of `radar-pod help`, up to its options.
_radar_pod_commands() {
	"$1" help 2>/dev/null | sed -n '/^Options:/q; s/^  \([a-z][a-z-]*\) .*/\1/p'
}

_radar_pod_options() {
	"$1" "$2" --help 2>/dev/null | sed -n 's/^  \(--*[0-9a-z][a-z-]*\).*/\1/p'
	echo --help
}

# What the help of command $2 calls the argument of option $3; nothing for a switch.
_radar_pod_argument() {
	"$1" "$2" --help 2>/dev/null | sed -n "s/^  $3 \([^ ]\{1,\}\).*/\1/p"
}

# The words of the first operand of command $2, where it is one of several ("info|export|summary FILE").
_radar_pod_words() {
	"$1" "$2" --help 2>/dev/null |
		sed -n '1s/^Usage: [^ ]* [^ ]* \([a-z]*|[a-z|]*\) .*/\1/p' | tr '|' ' '
}

# Whether command $2 takes a file as an operand.
_radar_pod_takes_file() {
	"$1" "$2" --help 2>/dev/null | head -n 1 | grep -q ' FILE[ |]'
}

_radar_pod() {
	local program=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} argument words=

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_radar_pod_commands "$program")" -- "$word")
		return
	fi
	argument=$(_radar_pod_argument "$program" "${COMP_WORDS[1]}" "${COMP_WORDS[COMP_CWORD - 1]}")
	case $argument in
	*'|'*) mapfile -t COMPREPLY < <(compgen -W "${argument//|/ }" -- "$word") ;;
	FILE | PEM) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	"")
		if [[ $word != -* ]]; then
			[ "$COMP_CWORD" -ne 2 ] || words=$(_radar_pod_words "$program" "${COMP_WORDS[1]}")
			if [ -n "$words" ]; then
				mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
			elif _radar_pod_takes_file "$program" "${COMP_WORDS[1]}"; then
				mapfile -t COMPREPLY < <(compgen -f -- "$word")
			fi
		fi
		[ "${#COMPREPLY[@]}" -eq 0 ] || return
		mapfile -t COMPREPLY < <(compgen -W "$(_radar_pod_options "$program" \
			"${COMP_WORDS[1]}")" -- "$word")
		;;
	esac
}

complete -F _radar_pod radar-pod
