const givenNames =
  `Ada Aisha Alejandro Amara Anders Anouk Arjun Astrid Beatriz Björn Camila Chidi Chloé Daniel Deniz Dmitri Elif Emeka
  Emma Erik Fatima Felix Fiona Francesca Gabriel Giulia Grace Hanna Haruto Henrik Hugo Ines Ingrid Isabel Ivan Jamal
  Jan Jasper Joana Johanna Jonas José Julia Kaito Karim Katarzyna Kenji Kofi Lars Leila Lena Liam Linh Lucas Łukasz
  Maja Malik Marco María Mateo Mei Mina Mohammed Nadia Naoko Niamh Nikos Noah Nora Olga Oliver Omar Paula Pedro Priya
  Rania Renée Sakura Samuel Sara Seán Sofia Søren Tariq Thandi Tomás Uma Valentina Viktor Wei Yara Yusuf Zoë Zsófia`
    .split(/\s+/)
    .filter(Boolean)

const familyNames =
  `Abebe Adeyemi Ahmed Almeida Andersson Bakker Barbosa Bauer Becker Bennett Bernard Bianchi Bondarenko Brown Castro
  Chen Clarke Costa Dąbrowska Davies Demir Dubois Eriksen Evans Fernández Ferrari Fischer Fofana García Gómez Greco
  Gupta Haddad Hansen Hernández Hoffmann Horváth Hughes Ibrahim Ito Ivanova Jansen Johansson Jovanović Kaya Keller Khan
  Kim Kipkemboi Kowalski Kumar Larsen Laurent Le Lehtonen Lindqvist López Mahlangu Martin Mensah Mohamed Moreau Morozov
  Müller Murphy Nakamura Nguyễn Nielsen Novák Nowak Ōno Okafor Oliveira Olsen Osei Papadopoulos Park Patel Pereira
  Petrov Ramírez Reddy Ricci Rossi Rousseau Sánchez Sato Schmidt Schneider Silva Singh Smith Sørensen Suzuki Tanaka
  Traoré Tremblay Van-Dijk Vargas Virtanen Wagner Walker Wang Weber Williams Yamamoto Yıldız Zhang`
    .split(/\s+/)
    .filter(Boolean)

export type Person = { email: string; name: string; roles: ('buyer' | 'seller')[] }

/** The person with this number, always the same; no two have the same address. The names repeat after some 10,000. */
export function person(index: number): Person {
  const given = index % givenNames.length
  const round = Math.floor(index / givenNames.length)
  const first = givenNames[given] as string
  const last = familyNames[(given * 31 + round) % familyNames.length] as string
  const repetition = Math.floor(round / familyNames.length)
  const mailbox = `${inAscii(first)}.${inAscii(last)}${repetition || ''}`
  return { email: `${mailbox}@example.com`, name: `${first} ${last}`, roles: rolesOf(index) }
}

/** Seven of ten only buy, two only sell, one does both. */
function rolesOf(index: number): Person['roles'] {
  if (index % 10 < 7) return ['buyer']
  return index % 10 < 9 ? ['seller'] : ['buyer', 'seller']
}

const inAscii = (name: string): string =>
  name
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll('Ł', 'L')
    .replaceAll('ø', 'o')
    .replaceAll('ı', 'i')
    .toLowerCase()
